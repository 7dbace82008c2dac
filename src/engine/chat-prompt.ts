// A conversation as token ids, by the model's chat template: what the template writes may be special tokens, what users
// write never is.
//
// The template is rendered twice: as it is, and with marks that nobody can guess in place of what users wrote. The marks
// say which stretches of the text are theirs (a template may trim them, or keep only what follows the thinking). Then
// special tokens are taken out of the template's stretches alone, and all text between two of them is encoded as one,
// so that ids equal those of the whole text wherever nobody tries to forge. Where the two renderings do not fit together
// the marked one counts, with what users wrote as it is. Left out: templates that rewrite contents in other ways.
import { randomBytes } from 'node:crypto';
import { ChatTemplate, type LoadedTokenizer, type Message, type RenderOptions } from '../tokenizer/index.ts';
import { closeTag, openTag } from './think-tags.ts';

export interface ChatPrompt {
  readonly ids: Int32Array;
  /** The prompt ends inside the thinking, as R1's does. */
  readonly startsThinking: boolean;
}

/** For models without a template. */
const plainTemplate =
  "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}";

/** Fields that hold what somebody wrote; other strings are marked only where they hold a special token. */
const written = ['content', 'reasoning_content', 'reasoning'];

interface Stretch {
  readonly text: string;
  readonly isTheirs: boolean;
}

/** Strings replaced by marks, and what stood there. */
class Marks {
  readonly #prefix = `m${randomBytes(12).toString('hex')}n`;
  readonly #texts: string[] = [];
  readonly #special: RegExp | null;

  constructor(special: RegExp | null) {
    this.#special = special;
  }

  /** The same value with marks in it. */
  mark(value: unknown, field = ''): unknown {
    if (typeof value === 'string') {
      const isWritten = written.includes(field) || this.#special?.test(value);
      if (value === '' || !isWritten) return value;
      return `${this.#prefix}${this.#texts.push(value) - 1}n`;
    }
    if (Array.isArray(value)) return value.map((item) => this.mark(item, field));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, this.mark(item, name)]));
  }

  /** A marked text, cut at its marks. */
  cut(text: string): Stretch[] {
    return text.split(new RegExp(`${this.#prefix}(\\d+)n`)).map((part, i) => {
      return i % 2 === 0 ? { text: part, isTheirs: false } : { text: this.#texts[Number(part)] as string, isTheirs: true };
    });
  }
}

/** What a template may make of a text. */
function formsOf(text: string): string[] {
  const answer = text.split(closeTag).at(-1) as string;
  const json = JSON.stringify(text).slice(1, -1);
  return [text, text.trim(), text.trimEnd(), text.trimStart(), answer, answer.trim(), answer.trimStart(), json, ''];
}

/** The stretches as they stand in the text itself; null when they do not fit. */
function aligned(stretches: readonly Stretch[], text: string): Stretch[] | null {
  const found: Stretch[] = [];
  let at = 0;
  for (const [i, { text: part, isTheirs }] of stretches.entries()) {
    const next = stretches[i + 1]?.text ?? '';
    const isLast = i >= stretches.length - 2;
    const fits = (form: string) =>
      text.startsWith(form, at) &&
      text.startsWith(next, at + form.length) &&
      (!isLast || at + form.length + next.length === text.length);
    const form = isTheirs ? formsOf(part).find(fits) : text.startsWith(part, at) ? part : undefined;
    if (form === undefined) return null;
    found.push({ text: form, isTheirs });
    at += form.length;
  }
  return at === text.length ? found : null;
}

function specialPattern({ tokenizer }: LoadedTokenizer): RegExp | null {
  const contents = tokenizer.addedTokens.map(({ content }) => content).filter((content) => content !== '');
  if (contents.length === 0) return null;
  const escaped = contents.sort((a, b) => b.length - a.length).map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`(${escaped.join('|')})`);
}

function encode({ tokenizer }: LoadedTokenizer, stretches: readonly Stretch[], special: RegExp | null): Int32Array {
  const ids: number[] = [];
  let run = '';
  const endRun = () => {
    if (run !== '') ids.push(...tokenizer.encode(run, { plain: true }));
    run = '';
  };
  for (const { text, isTheirs } of stretches) {
    const pieces = isTheirs || special === null ? [text] : text.split(special);
    pieces.forEach((piece, i) => {
      if (i % 2 === 0) run += piece;
      else {
        endRun();
        ids.push(tokenizer.idOf(piece) as number);
      }
    });
  }
  endRun();
  return Int32Array.from(ids);
}

/** The ids of a conversation. Throws TokenizerError when the template refuses it. */
export function chatPrompt(
  loaded: LoadedTokenizer,
  messages: readonly Message[],
  options: RenderOptions = {},
): ChatPrompt {
  const template = loaded.chatTemplate ?? new ChatTemplate(plainTemplate, loaded.specialTokens, 'plain template');
  const special = specialPattern(loaded);
  const marks = new Marks(special);
  const tools = options.tools === undefined ? {} : { tools: marks.mark(options.tools) as readonly unknown[] };
  const marked = template.render(marks.mark(messages) as Message[], { ...options, ...tools });
  const stretches = marks.cut(marked);
  const fitting = aligned(stretches, template.render(messages, options)) ?? stretches;
  const end = fitting.at(-1) as Stretch;
  return { ids: encode(loaded, fitting, special), startsThinking: new RegExp(`${openTag}\\s*$`).test(end.text) };
}

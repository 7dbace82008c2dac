// Conversations as token ids. Text of a message stays text: it cannot forge a token of the template.
//
// The template is rendered with the messages, and again with a random word in place of each text. The second rendering
// never saw the texts, so all of it is the template's own; the texts are put back as untrusted pieces. Where both
// agree, these give the ids. Where a template changes texts, the first rendering is used if no text names an added
// token and the template's own tokens are all there, in the same order; else the second. A template that parses the
// random words is refused.
import type { ChatTemplate, LoadedTokenizer, Message, Tokenizer } from '../tokenizer/index.ts';
import { RefusedError } from './generation.ts';
import { addedTokensIn, checkLength, encodePieces, type Piece, wellFormed } from './prompt-text.ts';

/** A message as in DeepSeek's and OpenAI's APIs. */
export interface ChatMessage {
  readonly role: string;
  readonly content?: string | readonly TextPart[] | null | undefined;
  readonly name?: string | null | undefined;
  /** The thinking of an earlier answer; `reasoning` is an alias. */
  readonly reasoning_content?: string | null | undefined;
  readonly reasoning?: string | null | undefined;
  readonly tool_calls?: readonly ToolCall[] | null | undefined;
  readonly tool_call_id?: string | null | undefined;
  /** On the last message, of the assistant: the answer continues it. */
  readonly prefix?: boolean | null | undefined;
}

interface TextPart {
  readonly type?: string;
  readonly text: string;
}

interface ToolCall {
  readonly id?: string | null | undefined;
  readonly function: { readonly name: string; readonly arguments: string };
}

/** A function that the model may call, as templates read it. */
export interface ToolDefinition {
  readonly type: 'function';
  readonly function: { readonly name: string; readonly description: string; readonly parameters: unknown };
}

export interface ChatPrompt {
  readonly ids: Int32Array;
  /** Whether the prompt ends inside the thinking. */
  readonly startsThinking: boolean;
  /** Indices of the messages whose content the template leaves out. */
  readonly unread: readonly number[];
}

/** Variables of a chat template. */
export type TemplateVariables = Readonly<Record<string, boolean | number | string>>;

interface TemplateInputs {
  readonly variables: TemplateVariables;
  readonly tools: readonly ToolDefinition[];
}

/** Splits an answer into its thinking and its text, for models whose template knows thinking. */
function splitThinking(content: string, given: string): [string, string] {
  const end = content.lastIndexOf('</think>');
  if (end < 0) return [given, content];
  const before = content.slice(0, end).replace(/^\s*<think>/, '');
  return [given === '' ? before.trim() : given, content.slice(end + '</think>'.length)];
}

/** Whether a template writes arguments itself, so that it expects them as an object. */
const writesArguments = (template: string) =>
  /arguments'?\]?\s*\|\s*tojson/.test(template) && !/arguments'?\]?\s+is\s+string/.test(template);

/** Returns the arguments of a call as a template expects them. */
function readArguments(text: string, isObject: boolean): unknown {
  if (!isObject) return wellFormed(text);
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : wellFormed(text);
  } catch {
    return wellFormed(text);
  }
}

/** Converts a message for templates: one text, the thinking beside it, no absent fields. */
function plainMessage(message: ChatMessage, template: string): Message {
  const knowsThinking = template.includes('</think>');
  const { content: given, name, tool_calls: calls, tool_call_id: callId } = message;
  let content = wellFormed(typeof given === 'string' ? given : (given ?? []).map(({ text }) => text).join(''));
  let thought = wellFormed(message.reasoning_content ?? message.reasoning ?? '');
  if (message.role === 'assistant' && knowsThinking) [thought, content] = splitThinking(content, thought);
  const hasCalls = calls !== null && calls !== undefined && calls.length > 0;
  return {
    role: message.role === 'developer' ? 'system' : message.role,
    content: content === '' && hasCalls ? null : content,
    ...(thought !== '' && { reasoning_content: thought }),
    ...(typeof name === 'string' && { name: wellFormed(name) }),
    ...(typeof callId === 'string' && { tool_call_id: wellFormed(callId) }),
    ...(hasCalls && {
      tool_calls: calls.map(({ id, function: { name: called, arguments: args } }) => ({
        type: 'function',
        function: { name: wellFormed(called), arguments: readArguments(args, writesArguments(template)) },
        ...(typeof id === 'string' && { id: wellFormed(id) }),
      })),
    }),
  };
}

interface RenderedPieces extends Pick<ChatPrompt, 'unread'> {
  readonly pieces: readonly Piece[];
}

/** Replaces texts by random words. White space around a text stays, because templates trim. */
class Mask {
  readonly #nonce = crypto.randomUUID().replaceAll('-', '');
  readonly #texts: string[] = [];
  /** For each message, which of the texts is its content. */
  readonly #contents: (number | null)[] = [];

  hideMessages(messages: readonly Message[]): unknown {
    return messages.map((message) => {
      let content: number | null = null;
      const fields = Object.entries(message).map(([field, value]) => {
        const index = this.#texts.length;
        const hidden = this.hide(value, field);
        if (field === 'content' && this.#texts.length > index) content = index;
        return [field, hidden];
      });
      this.#contents.push(content);
      return Object.fromEntries(fields);
    });
  }

  hide(value: unknown, field = ''): unknown {
    if (field === 'arguments' && typeof value === 'object') return this.#hideJson(value);
    if (Array.isArray(value)) return value.map((each) => this.hide(each));
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, this.hide(each, key)]));
    if (typeof value !== 'string' || field === 'role' || field === 'type') return value;
    const text = value.trim();
    if (text === '') return value;
    const at = value.indexOf(text);
    return value.slice(0, at) + this.#word(text) + value.slice(at + text.length);
  }

  #word(text: string): string {
    return `q${this.#nonce}x${this.#texts.push(text) - 1}z`;
  }

  /** Hides the names and texts of arguments that the template writes as JSON; they come back as JSON has them. */
  #hideJson(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((each) => this.#hideJson(each));
    if (typeof value === 'string')
      return value === '' ? '' : this.#word(JSON.stringify(wellFormed(value)).slice(1, -1));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [this.#hideJson(key), this.#hideJson(each)]));
  }

  read(rendered: string): RenderedPieces {
    const [first = '', ...others] = rendered.split(`q${this.#nonce}x`);
    const pieces: Piece[] = [{ text: first, trusted: true }];
    const found = new Set<number | null>([null]);
    for (const part of others) {
      const end = part.indexOf('z');
      const index = Number(part.slice(0, end));
      found.add(index);
      pieces.push({ text: this.#texts[index] ?? '', trusted: false });
      pieces.push({ text: part.slice(end + 1), trusted: true });
    }
    const unread = this.#contents.flatMap((index, message) => (found.has(index) ? [] : [message]));
    return { pieces, unread };
  }
}

const join = (pieces: readonly Piece[]): string => pieces.map(({ text }) => text).join('');

/** Renders twice with different words: a template whose output depends on them cannot be kept apart, and is refused. */
function renderMasked(
  template: ChatTemplate,
  messages: readonly Message[],
  { variables, tools }: TemplateInputs,
): RenderedPieces {
  const masked = (): RenderedPieces => {
    const mask = new Mask();
    return mask.read(
      template.render(mask.hideMessages(messages) as Message[], { variables, ...(tools.length > 0 && { tools }) }),
    );
  };
  try {
    const [{ pieces, unread }, { pieces: again }] = [masked(), masked()];
    if (pieces.length === again.length && pieces.every(({ text }, i) => text === again[i]?.text))
      return { pieces, unread };
  } catch {
    // it expects a certain format of texts: refused below
  }
  throw new RefusedError(
    'invalid',
    'messages: the chat template of this model parses the contents, so that tokens could be forged: ' +
      'render the conversation yourself and send it to /v1/completions as token ids',
    'messages',
  );
}

function encodeWhole(tokenizer: Tokenizer, text: string, contextLength: number): Int32Array {
  checkLength(tokenizer, [text], contextLength);
  return tokenizer.encode(text);
}

function renderPrompt(
  { tokenizer }: LoadedTokenizer,
  template: ChatTemplate,
  messages: readonly Message[],
  { variables, tools }: TemplateInputs,
  contextLength: number,
): ChatPrompt {
  const [forged] = addedTokensIn(tokenizer, tools.length > 0 ? JSON.stringify(tools) : '');
  if (forged !== undefined)
    throw new RefusedError('invalid', `tools: ${forged} is a token of this model's template: leave it out`, 'tools');
  const whole = template.render(messages, { variables, ...(tools.length > 0 && { tools }) });
  const { pieces, unread } = renderMasked(template, messages, { variables, tools });
  const own = pieces.filter(({ trusted }) => trusted).map(({ text }) => text);
  const last = pieces.at(-1);
  const startsThinking = last?.trusted === true && /<think>\s*$/.test(last.text);
  if (join(pieces) !== whole) {
    const isBenign = pieces.every(({ text, trusted }) => trusted || addedTokensIn(tokenizer, text).length === 0);
    const expected = own.flatMap((text) => addedTokensIn(tokenizer, text));
    const found = addedTokensIn(tokenizer, whole);
    if (isBenign && found.length === expected.length && found.every((name, i) => name === expected[i]))
      return { ids: encodeWhole(tokenizer, whole, contextLength), startsThinking, unread };
  }
  return { ids: encodePieces(tokenizer, pieces, contextLength), startsThinking, unread };
}

/** Renders DeepSeek-V2's format, for tokenizers without a template. */
function renderTranscript(
  { tokenizer, specialTokens }: LoadedTokenizer,
  messages: readonly Message[],
  contextLength: number,
): ChatPrompt {
  const { bos_token: bos = '', eos_token: eos = '\n\n' } = specialTokens;
  const pieces = messages.flatMap(({ role, content }): Piece[] => {
    const [before, after] =
      role === 'assistant' ? ['Assistant: ', eos] : role === 'user' ? ['User: ', '\n\n'] : ['', '\n\n'];
    return [
      { text: before, trusted: true },
      { text: content ?? '', trusted: false },
      { text: after, trusted: true },
    ];
  });
  const all = [{ text: bos, trusted: true }, ...pieces, { text: 'Assistant:', trusted: true }];
  return { ids: encodePieces(tokenizer, all, contextLength), startsThinking: false, unread: [] };
}

/** What a prompt does about the thinking, whatever its template does: `open` begins it, `closed` leaves it empty. */
export type ThinkingStart = 'open' | 'closed';

/** Opens or closes the thinking at the end of a prompt, by the tags as R1's template and its releases write them. */
function startThinking(
  loaded: LoadedTokenizer,
  prompt: ChatPrompt,
  start: ThinkingStart,
  contextLength: number,
): ChatPrompt {
  const isOpen = start === 'open';
  if (prompt.startsThinking === isOpen && isOpen) return prompt;
  const text = isOpen ? '<think>\n' : prompt.startsThinking ? '\n</think>\n\n' : '<think>\n\n</think>\n\n';
  const more = encodePieces(loaded.tokenizer, [{ text, trusted: true }], contextLength, true);
  return { ...prompt, ids: concatenate(prompt.ids, more), startsThinking: isOpen };
}

function concatenate(before: Int32Array, after: Int32Array): Int32Array {
  const ids = new Int32Array(before.length + after.length);
  ids.set(before);
  ids.set(after, before.length);
  return ids;
}

/** Appends the beginning of an answer to a prompt. */
function appendPrefix(loaded: LoadedTokenizer, prompt: ChatPrompt, last: Message, contextLength: number): ChatPrompt {
  const thought = (last.reasoning_content as string | undefined) ?? '';
  const text = last.content ?? '';
  const pieces: Piece[] = [{ text, trusted: false }];
  if (prompt.startsThinking) {
    if (text !== '') pieces.unshift({ text: '\n</think>\n\n', trusted: true });
    pieces.unshift({ text: thought, trusted: false });
  }
  const more = encodePieces(loaded.tokenizer, pieces, contextLength, true);
  const ids = concatenate(prompt.ids, more);
  return { ids, startsThinking: prompt.startsThinking && text === '', unread: prompt.unread };
}

/** Renders messages. Throws RefusedError, or TokenizerError with the template's own message when it refuses them. */
export function chatPrompt(
  loaded: LoadedTokenizer,
  messages: readonly ChatMessage[],
  variables: TemplateVariables = {},
  contextLength = Infinity,
  thinking: ThinkingStart | null = null,
  tools: readonly ToolDefinition[] = [],
): ChatPrompt {
  const template = loaded.chatTemplate;
  const hasPrefix = messages.at(-1)?.prefix === true;
  if (messages.some(({ prefix, role }, i) => prefix && (role !== 'assistant' || i < messages.length - 1)))
    throw new RefusedError(
      'invalid',
      'messages: prefix is for the last message, of the assistant: leave it out elsewhere',
      'messages',
    );
  const plain = messages.map((message) => plainMessage(message, template?.text ?? ''));
  const complete = hasPrefix ? plain.slice(0, -1) : plain;
  const rendered =
    template === null
      ? renderTranscript(loaded, complete, contextLength)
      : renderPrompt(loaded, template, complete, { variables, tools }, contextLength);
  const prompt = thinking === null ? rendered : startThinking(loaded, rendered, thinking, contextLength);
  return hasPrefix ? appendPrefix(loaded, prompt, plain.at(-1) as Message, contextLength) : prompt;
}

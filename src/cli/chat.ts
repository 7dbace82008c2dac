// minke chat: a conversation in the terminal, with dimmed thinking and the speed of each answer.
//
// At a terminal Ctrl-C ends an answer, and while none is generated, the conversation. Input from a pipe is answered
// line by line; there, and with --prompt, SIGINT ends the command with its exit code, and so does a refused prompt.
import { createInterface } from 'node:readline';
import { styleText } from 'node:util';
import {
  type ChatMessage,
  type GenerateOptions,
  type GenerationEvent,
  RefusedError,
  type ServedModel,
  type SpeculationStats,
  type Usage,
} from '../engine/index.ts';
import { MinkeError } from '../kernels/index.ts';
import { formatPercent } from '../math/index.ts';
import { chooseSampling, type EngineFlags, type SamplingFlags } from './engine-flags.ts';
import { failed, interrupted } from './exit-codes.ts';
import { findTrainedModel } from './find-trained-model.ts';
import { loadModel } from './load-model.ts';

export interface ChatFlags extends EngineFlags, SamplingFlags {
  readonly system?: string;
  readonly prompt?: string;
  readonly seed?: number;
  readonly maxTokens?: number;
}

const hasColors = process.stdout.hasColors?.() ?? false;
const dim = (text: string) => (hasColors ? styleText('dim', text) : text);

/** Describes how many drafts of an answer were accepted, and whether drafting is on. */
function describeDrafts({ draftedTokens, acceptedTokens }: Usage, speculation: SpeculationStats | null): string[] {
  const accepted = draftedTokens > 0 ? [`${formatPercent(acceptedTokens / draftedTokens)} of drafts accepted`] : [];
  if (speculation === null || speculation.isOn) return accepted;
  const { acceptance, stepCost } = speculation;
  const cost = stepCost === null ? '' : `, and a step with drafts costs ${stepCost.toFixed(1)} times a plain one`;
  return [...accepted, `drafting is off: ${formatPercent(acceptance)} were accepted recently${cost}`];
}

/** Below this, an answer came in one burst, and its speed says nothing. */
const measurableMs = 50;

type GenerationEnd = Extract<GenerationEvent, { type: 'end' }>;

function describeAnswer(model: ServedModel, { usage, totalMs, firstTokenMs, finishReason }: GenerationEnd): string {
  const ms = totalMs - firstTokenMs;
  const rate = ms >= measurableMs ? [`${(((usage.completionTokens - 1) / ms) * 1000).toFixed(1)} tokens/s`] : [];
  return [
    `${usage.completionTokens} tokens`,
    ...rate,
    `first token after ${firstTokenMs.toFixed(0)} ms`,
    ...describeDrafts(usage, model.stats.speculation),
    ...(usage.cachedTokens > 0 ? [`${usage.cachedTokens} of ${usage.promptTokens} prompt tokens cached`] : []),
    ...(finishReason === 'stop' ? [] : [`ended by ${finishReason}`]),
  ].join(', ');
}

/** The messages so far, and the answer in progress. */
class Conversation {
  readonly #model: ServedModel;
  readonly #options: GenerateOptions;
  readonly #messages: ChatMessage[] = [];
  #abort: AbortController | null = null;

  constructor(model: ServedModel, options: GenerateOptions, system?: string) {
    this.#model = model;
    this.#options = options;
    if (system) this.#messages.push({ role: 'system', content: system });
  }

  /** Forgets everything but the system prompt. */
  restart(): void {
    this.#messages.length = this.#messages[0]?.role === 'system' ? 1 : 0;
  }

  /** Ends the answer in progress. Returns false where there is none. */
  interrupt(): boolean {
    this.#abort?.abort();
    return this.#abort !== null;
  }

  /** Prints the answer to a message while it is generated. Returns false where it was refused or interrupted. */
  async answer(content: string): Promise<boolean> {
    const abort = new AbortController();
    this.#abort = abort;
    this.#messages.push({ role: 'user', content });
    try {
      this.#messages.push({ role: 'assistant', content: await this.#print(abort.signal) });
      return !abort.signal.aborted;
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      this.#messages.pop();
      console.error(error.message);
      return false;
    } finally {
      this.#abort = null;
    }
  }

  async #print(signal: AbortSignal): Promise<string> {
    let text = '';
    let channel = 'answer';
    for await (const event of this.#model.chat(this.#messages, { ...this.#options, signal })) {
      if (event.type === 'part') {
        if (channel === 'thinking' && event.channel === 'answer') process.stdout.write('\n');
        channel = event.channel;
        process.stdout.write(channel === 'thinking' ? dim(event.text) : event.text);
        if (channel === 'answer') text += event.text;
      } else if (event.error) throw event.error;
      else process.stdout.write(`\n${dim(describeAnswer(this.#model, event))}\n`);
    }
    return text;
  }
}

/** Yields the lines of a pipe or file. Throws MinkeError for bytes that are no text. */
async function* pipedLines(): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const decode = (bytes?: Uint8Array) => {
    try {
      return bytes ? decoder.decode(bytes, { stream: true }) : decoder.decode();
    } catch {
      throw new MinkeError('chat', 'the input is not valid UTF-8', 'convert it to UTF-8');
    }
  };
  let rest = '';
  for await (const bytes of process.stdin) {
    const lines = (rest + decode(bytes)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  rest += decode();
  if (rest !== '') yield rest;
}

/** Answers what is typed until Ctrl-D. Lines that are typed during an answer come next. */
async function talk(conversation: Conversation, name: string): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' });
  terminal.on('SIGINT', () => {
    if (conversation.interrupt()) return;
    process.exitCode = interrupted;
    terminal.close();
  });
  console.log(dim(`${name}: type a message, /new for a new conversation, Ctrl-D to exit`));
  terminal.prompt();
  for await (const line of terminal) {
    if (line.trim() === '/new') conversation.restart();
    else if (line.trim() !== '') await conversation.answer(line);
    terminal.prompt();
  }
}

/** Answers every line. */
async function answerLines(conversation: Conversation, lines: AsyncIterable<string> | Iterable<string>): Promise<void> {
  const stop = () => {
    process.exitCode = interrupted;
    if (!conversation.interrupt()) process.exit();
  };
  process.on('SIGINT', stop);
  for await (const line of lines) {
    if (line.trim() === '/new') conversation.restart();
    else if (line.trim() !== '' && !(await conversation.answer(line))) process.exitCode ||= failed;
    if (process.exitCode === interrupted) break;
  }
  process.off('SIGINT', stop);
}

export async function chatCommand(target: string, flags: ChatFlags): Promise<void> {
  const { seed, maxTokens, prompt, system } = flags;
  const model = await loadModel(await findTrainedModel(target, flags), flags, { maxSequences: 1 });
  const options: GenerateOptions = {
    ...chooseSampling(flags, model.defaults),
    ...(seed !== undefined && { seed }),
    ...(maxTokens !== undefined && { maxTokens }),
  };
  const conversation = new Conversation(model, options, system);
  if (prompt !== undefined) await answerLines(conversation, [prompt]);
  else if (process.stdin.isTTY) await talk(conversation, model.name);
  else await answerLines(conversation, pipedLines());
  await model.close();
}

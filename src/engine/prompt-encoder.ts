// Encodes prompts without holding up anybody else: short ones at once, the others in a process of their own.
//
// Short prompts are encoded here if tokenizer and template are known to take time in proportion to the text. All others
// go to a sandbox, where a hostile pattern or template meets its limits. Short ones do not wait for long ones. Both
// places do the same job, so the ids do not depend on the place.
import { type LoadedTokenizer, packTokenizer } from '../tokenizer/index.ts';
import { Sandbox, SandboxError } from '../untrusted/index.ts';
import type { ChatMessage, ChatPrompt, TemplateVariables, ThinkingStart, ToolDefinition } from './chat-prompt.ts';
import { RefusedError } from './generation.ts';
import { doPromptJob, type PromptJob, type PromptOutcome, type TextOptions } from './prompt-jobs.ts';

/** The size of a short prompt: a few milliseconds of work. A message counts as this many characters more. */
const maxShort = 2 ** 14;
const messageCost = 128;

/** The time for a job: milliseconds, and milliseconds for each 2^20 characters. */
const limitMs = { job: 10_000, megabyte: 10_000 };

export interface EncodeLimits {
  /** A prompt that cannot fit into this number of tokens is refused before it is encoded. @default no limit */
  readonly contextLength?: number;
  /** Takes a waiting prompt back. */
  readonly signal?: AbortSignal;
}

/** Counts the characters of a job, with a price for each message. */
function measure(job: PromptJob): number {
  if (job.kind === 'text') return job.text.length;
  if (job.kind === 'fill-in') return job.before.length + job.after.length;
  let size = 0;
  const add = (value: unknown): void => {
    if (typeof value === 'string') size += value.length;
    else if (typeof value === 'object' && value !== null) {
      size += messageCost;
      for (const each of Object.values(value)) add(each);
    }
  };
  add(job.messages);
  add(job.tools);
  return size;
}

type PromptSandbox = Sandbox<PromptJob, PromptOutcome>;

export class PromptEncoder {
  readonly #loaded: LoadedTokenizer;
  readonly #isLinear: { readonly text: boolean; readonly chat: boolean };
  #short: PromptSandbox | null = null;
  #long: PromptSandbox | null = null;

  constructor(loaded: LoadedTokenizer) {
    this.#loaded = loaded;
    const text = loaded.tokenizer.isLinear;
    this.#isLinear = { text, chat: text && (loaded.chatTemplate?.isLinear ?? true) };
  }

  /** Encodes a conversation by the model's chat template. `tools`: what it offers. Rejects with RefusedError. */
  chat(
    messages: readonly ChatMessage[],
    variables: TemplateVariables = {},
    limits?: EncodeLimits,
    thinking: ThinkingStart | null = null,
    tools: readonly ToolDefinition[] = [],
  ) {
    const contextLength = limits?.contextLength ?? Infinity;
    return this.#encode({ kind: 'chat', messages, variables, thinking, tools, contextLength }, limits);
  }

  /** Encodes a text. Rejects with RefusedError. */
  async text(text: string, options: TextOptions = {}, limits?: EncodeLimits): Promise<Int32Array> {
    const contextLength = limits?.contextLength ?? Infinity;
    return (await this.#encode({ kind: 'text', text, options, contextLength }, limits)).ids;
  }

  /** Encodes what stands before and after a gap that the model fills. Rejects with RefusedError. */
  async fillIn(before: string, after: string, limits?: EncodeLimits): Promise<Int32Array> {
    const contextLength = limits?.contextLength ?? Infinity;
    return (await this.#encode({ kind: 'fill-in', before, after, contextLength }, limits)).ids;
  }

  /** Starts the process for short prompts where they need one, and keeps it, so that no prompt need wait for it. */
  start(): void {
    if (!this.#isLinear.chat) this.#shortSandbox.start();
  }

  /** Ends the processes; waiting prompts are refused. */
  close(): void {
    this.#short?.close();
    this.#long?.close();
  }

  async #encode(job: PromptJob, { signal }: EncodeLimits = {}): Promise<ChatPrompt> {
    const size = measure(job);
    const isShort = size <= maxShort;
    const outcome =
      isShort && this.#isLinear[job.kind === 'chat' ? 'chat' : 'text']
        ? doPromptJob(this.#loaded, job)
        : await this.#isolated(isShort ? this.#shortSandbox : this.#longSandbox, job, size, signal);
    if ('ids' in outcome) return outcome;
    throw new RefusedError(outcome.refusal, outcome.message, outcome.field, outcome.sizes);
  }

  async #isolated(
    sandbox: PromptSandbox,
    job: PromptJob,
    size: number,
    signal: AbortSignal | undefined,
  ): Promise<PromptOutcome> {
    try {
      return await sandbox.run(job, limitMs.job + Math.ceil((limitMs.megabyte * size) / 2 ** 20), signal);
    } catch (error) {
      if (!(error instanceof SandboxError)) throw error;
      const { fault, message } = error;
      if (fault === 'start')
        throw new RefusedError('overloaded', `the prompt cannot be encoded: ${message}; try later`);
      if (fault === 'busy') throw new RefusedError('overloaded', `the queue of prompts is full: ${message}; try later`);
      if (fault === 'closed') throw new RefusedError('closing', 'the model is being closed: ask another one');
      throw new RefusedError(
        'invalid',
        `${job.kind === 'chat' ? 'messages' : 'prompt'}: it cannot be encoded (${message}): ` +
          'send a shorter one, or use a model with another tokenizer and chat template',
        job.kind === 'chat' ? 'messages' : 'prompt',
      );
    }
  }

  get #shortSandbox(): PromptSandbox {
    this.#short ??= openSandbox(this.#loaded);
    return this.#short;
  }

  get #longSandbox(): PromptSandbox {
    this.#long ??= openSandbox(this.#loaded);
    return this.#long;
  }
}

function openSandbox(loaded: LoadedTokenizer): PromptSandbox {
  const entry = new URL(import.meta.url.replace(/prompt-encoder(\.[jt]s)$/, 'prompt-process$1'));
  return new Sandbox({ entry, setup: () => packTokenizer(loaded) });
}

const encoders = new WeakMap<LoadedTokenizer, PromptEncoder>();

/** Returns the encoder of a tokenizer, one for each. */
export function promptEncoder(loaded: LoadedTokenizer): PromptEncoder {
  const known = encoders.get(loaded);
  if (known !== undefined) return known;
  const made = new PromptEncoder(loaded);
  encoders.set(loaded, made);
  return made;
}

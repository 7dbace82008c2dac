// A model ready to answer: weights, tokenizer and engine behind the library's interface (generation.ts).
import type { LoadedTokenizer } from '../tokenizer/index.ts';
import { AnswerConstraint, constraintCompiler } from './answer-constraint.ts';
import type { ChatMessage } from './chat-prompt.ts';
import type { Engine } from './engine.ts';
import {
  type EngineStats,
  type GenerateOptions,
  type GenerationEvent,
  RefusedError,
  type TextModel,
} from './generation.ts';
import type { SamplingDefaults } from './generation-config.ts';
import { GenerationStream } from './generation-stream.ts';
import { type EncodeLimits, promptEncoder } from './prompt-encoder.ts';
import { ReasoningBudget } from './reasoning-budget.ts';
import { resolveOptions } from './sampling-options.ts';
import { TextAssembler } from './text-assembler.ts';
import { closingIds, findThinkTokens } from './think-tags.ts';

export interface ServedModelOptions {
  readonly name: string;
  readonly vocabSize: number;
  readonly tokenizer: LoadedTokenizer;
  /** What requests sample with where they say nothing. @default none */
  readonly defaults?: SamplingDefaults;
  readonly fingerprint: string;
  readonly engine: Engine;
  /** A sentence about its context and its cache, and what they were chosen from. @default none */
  readonly cache?: string;
  /** Frees weights and device, once the engine is closed. */
  readonly free: () => Promise<void>;
}

export interface ChatOptions extends GenerateOptions {
  /** Further variables of the chat template, such as `enable_thinking`. */
  readonly variables?: Readonly<Record<string, boolean | number | string>>;
}

export class ServedModel implements TextModel {
  readonly name: string;
  readonly vocabSize: number;
  readonly tokenizer: LoadedTokenizer;
  readonly defaults: SamplingDefaults;
  readonly fingerprint: string;
  /** How long its context is, how large its cache, and what they were chosen from. */
  readonly cache: string;
  readonly #engine: Engine;
  readonly #free: () => Promise<void>;
  #closing: Promise<void> | null = null;

  constructor(options: ServedModelOptions) {
    const { name, vocabSize, tokenizer, defaults = {}, fingerprint, engine, cache = '', free } = options;
    this.name = name;
    this.vocabSize = vocabSize;
    this.tokenizer = tokenizer;
    this.defaults = defaults;
    this.fingerprint = fingerprint;
    this.cache = cache;
    this.#engine = engine;
    this.#free = free;
  }

  get contextLength(): number {
    return this.#engine.contextLength;
  }

  get stats(): EngineStats {
    return this.#engine.stats;
  }

  /** Continues token ids. Throws RefusedError at once when the request cannot be taken. */
  generate(prompt: ArrayLike<number>, options: GenerateOptions = {}): AsyncIterable<GenerationEvent> {
    this.#checkIds(prompt);
    const room = Math.max(1, this.contextLength - prompt.length);
    const { vocabSize, defaults, tokenizer } = this;
    const resolved = resolveOptions(options, { vocabSize, room, eosIds: tokenizer.eosIds, defaults });
    const { reasoningBudget, startsThinking } = resolved;
    const closing = reasoningBudget === null ? [] : closingIds(this.tokenizer);
    return new GenerationStream(this.#engine, prompt, resolved, {
      assembler: new TextAssembler(this.tokenizer, resolved),
      budget: new ReasoningBudget(reasoningBudget, closing, startsThinking),
      constraint: this.#constraint(options, prompt),
    });
  }

  /**
   * Continues a text. What the model writes is one text, with its thinking and the tags around it. The first step of
   * the iteration rejects where `generate` throws.
   */
  async *complete(text: string, options: GenerateOptions = {}): AsyncGenerator<GenerationEvent, void, undefined> {
    const ids = await promptEncoder(this.tokenizer).text(text, { addSpecialTokens: true }, this.#limits(options));
    yield* this.generate(ids, { raw: true, ...options });
  }

  /**
   * Answers a conversation by the model's chat template. What users write never becomes a special token. The first step
   * of the iteration rejects where `generate` throws.
   * @example for await (const part of model.chat([{ role: 'user', content: 'Why is the sky blue?' }])) ...
   */
  async *chat(
    messages: readonly ChatMessage[],
    options: ChatOptions = {},
  ): AsyncGenerator<GenerationEvent, void, undefined> {
    const { variables, ...rest } = options;
    const prompt = await promptEncoder(this.tokenizer).chat(messages, variables, this.#limits(options));
    yield* this.generate(prompt.ids, { startsThinking: prompt.startsThinking, ...rest });
  }

  #constraint({ constraint, startsThinking = false }: GenerateOptions, prompt: ArrayLike<number>) {
    if (constraint === undefined) return null;
    const tags = findThinkTokens(this.tokenizer);
    const last = Array.from({ length: 8 }, (_, i) => prompt[prompt.length - 1 - i]);
    const isClosed = tags !== null && last.includes(tags.close);
    return new AnswerConstraint({ compiled: constraint, tags, startsThinking, mayThink: !isClosed });
  }

  #limits({ signal }: GenerateOptions): EncodeLimits {
    return { contextLength: this.contextLength, ...(signal && { signal }) };
  }

  close(graceMs = 0): Promise<void> {
    promptEncoder(this.tokenizer).close();
    this.#closing ??= this.#engine.close(graceMs).then(() => {
      constraintCompiler(this.tokenizer, this.vocabSize).close();
      return this.#free();
    });
    return this.#closing;
  }

  #checkIds(prompt: ArrayLike<number>): void {
    for (let i = 0; i < prompt.length; i++) {
      const id = prompt[i];
      if (Number.isInteger(id) && id >= 0 && id < this.vocabSize) continue;
      const expected = `expected token ids from 0 to ${this.vocabSize - 1}`;
      throw new RefusedError('invalid', `prompt[${i}]: ${expected}, received ${id}`, 'prompt');
    }
  }
}

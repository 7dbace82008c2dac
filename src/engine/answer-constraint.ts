// The constraint of one answer in the engine: which tokens may come next, once the thinking is over.
//
// Thinking is free; the constraint begins after `</think>`, or at once where nothing opens the thinking. Where the tags
// are tokens and the model may still open it, `<think>` is allowed as the first token. Tags are no part of the answer.
import type { CompiledConstraint } from '../grammar/index.ts';
import { ConstraintCompiler } from '../grammar/index.ts';
import type { LoadedTokenizer } from '../tokenizer/index.ts';
import type { TokenConstraint } from './sequence.ts';
import { findThinkTokens, type ThinkTokens } from './think-tags.ts';

const compilers = new WeakMap<LoadedTokenizer, ConstraintCompiler>();

/** Returns the compiler of constraints for a model's tokenizer, one for each. */
export function constraintCompiler(loaded: LoadedTokenizer, vocabSize: number): ConstraintCompiler {
  const known = compilers.get(loaded);
  if (known !== undefined) return known;
  const tags = findThinkTokens(loaded);
  const hidden = tags === null ? [] : [tags.open, tags.close];
  const made = new ConstraintCompiler(loaded.tokenizer, { vocabSize, endIds: loaded.eosIds, hidden });
  compilers.set(loaded, made);
  return made;
}

export interface AnswerConstraintOptions {
  readonly compiled: CompiledConstraint;
  readonly tags: ThinkTokens | null;
  readonly startsThinking: boolean;
  /** Whether the model may open the thinking itself. */
  readonly mayThink: boolean;
}

export class AnswerConstraint implements TokenConstraint {
  readonly #compiled: CompiledConstraint;
  readonly #matcher: ReturnType<CompiledConstraint['matcher']>;
  readonly #tags: ThinkTokens | null;
  #thinking: boolean;
  /** Whether the next token may open the thinking. */
  #mayOpen: boolean;
  #masks: readonly [Int32Array | null, Int32Array | null] = [null, null];
  #isStale = true;

  constructor({ compiled, tags, startsThinking, mayThink }: AnswerConstraintOptions) {
    this.#compiled = compiled;
    this.#matcher = compiled.matcher();
    this.#tags = tags;
    this.#thinking = startsThinking && tags !== null;
    this.#mayOpen = mayThink && tags !== null && !startsThinking;
  }

  get isStale(): boolean {
    return this.#isStale;
  }

  async prepare(draft: number | null): Promise<void> {
    if (this.#thinking) {
      this.#masks = [null, draft === this.#tags?.close ? this.#compiled.first : null];
    } else {
      const [next, after] = await this.#matcher.masks(draft);
      if (this.#mayOpen && this.#tags !== null) next[this.#tags.open >> 5] |= 1 << (this.#tags.open & 31);
      this.#masks = [next, after];
    }
    this.#isStale = false;
  }

  mask(ahead: number): Int32Array | null {
    return this.#masks[ahead] ?? null;
  }

  /** Takes a token; `isEnd`: the answer ends with it. */
  push(id: number, isEnd: boolean): void {
    this.#isStale = true;
    this.#mayOpen = false;
    const isTag = id === this.#tags?.open || id === this.#tags?.close;
    if (isTag) this.#thinking = id === this.#tags?.open;
    else if (!this.#thinking && !isEnd) this.#matcher.push(id);
  }

  close(): void {
    this.#matcher.close();
  }
}

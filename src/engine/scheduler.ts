// Who runs in the next step: policy only. It knows lengths and blocks, never a tensor.
//
// Every step runs all sequences that generate (one row each, two with a draft) and, with what is left of the step's
// tokens, pieces of prompts, first come first served. Where blocks run out, the sequence that came last is put aside:
// its blocks are freed and it starts again later (recomputed, not copied away). Contract: a sequence is admitted only
// when its blocks and one more for everybody who runs are there, so that who came first always goes on; no block is
// leaked or owned twice (scheduler.test.ts fuzzes it).
import { blockTokens } from '../kernels/index.ts';
import { type BlockPool, prefixKeys } from './block-pool.ts';
import type { Sequence } from './sequence.ts';

export interface SchedulerOptions {
  /** Sequences that run at once. */
  readonly maxSequences: number;
  /** Tokens of prompts in a step. */
  readonly maxStepTokens: number;
  /** Rows of a generating sequence beyond its next: drafts to verify. */
  readonly drafts: number;
  /** Whether later prompts may use the blocks of earlier ones. */
  readonly prefixCache: boolean;
  /** Whether a later prompt may use blocks made while generating, whose bits differ from a prompt's own. */
  readonly reuseGenerated: boolean;
}

/** Tokens `from` to `to` of a sequence, to be run in the form of its phase. */
export interface PrefillChunk {
  readonly sequence: Sequence;
  readonly from: number;
  readonly to: number;
}

export interface StepPlan {
  readonly decode: readonly Sequence[];
  /** Of prompts. */
  readonly prefill: readonly PrefillChunk[];
  /** Of what was generated before a sequence was put aside. */
  readonly recompute: readonly PrefillChunk[];
}

const blocksFor = (tokens: number) => Math.ceil(tokens / blockTokens);

export class Scheduler {
  readonly pool: BlockPool;
  readonly options: SchedulerOptions;
  /** In order of arrival, both. */
  readonly waiting: Sequence[] = [];
  readonly running: Sequence[] = [];
  preemptions = 0;

  constructor(pool: BlockPool, options: SchedulerOptions) {
    this.pool = pool;
    this.options = options;
  }

  get idle(): boolean {
    return this.waiting.length === 0 && this.running.length === 0;
  }

  add(sequence: Sequence): void {
    this.waiting.push(sequence);
  }

  /** Chooses and gives blocks to what runs. */
  schedule(): StepPlan {
    const decode = this.#decoding();
    const prefill: PrefillChunk[] = [];
    const recompute: PrefillChunk[] = [];
    let left = this.options.maxStepTokens;
    const fill = (sequence: Sequence): void => {
      const { phase, computed: from } = sequence;
      const end = phase === 'prompt' ? sequence.promptLength : sequence.length - 1;
      const to = Math.min(end, from + left);
      left -= to - from;
      (phase === 'prompt' ? prefill : recompute).push({ sequence, from, to });
    };
    for (const sequence of this.running) if (sequence.phase !== 'generate' && left > 0) fill(sequence);
    while (left > 0) {
      const admitted = this.#admit();
      if (!admitted) break;
      if (admitted.phase !== 'generate') fill(admitted);
    }
    return { decode, prefill, recompute };
  }

  /** Takes a sequence out, whatever its state, and frees its blocks. */
  remove(sequence: Sequence): void {
    for (const list of [this.waiting, this.running]) {
      const at = list.indexOf(sequence);
      if (at >= 0) list.splice(at, 1);
    }
    this.#nameBlocks(sequence);
    this.#free(sequence);
    sequence.state = 'finished';
  }

  /** Names the blocks that `computed` has filled, for prompts to come. */
  #nameBlocks(sequence: Sequence): void {
    const { prefixCache, reuseGenerated } = this.options;
    if (!prefixCache) return;
    const known = reuseGenerated ? sequence.computed : Math.min(sequence.computed, sequence.promptLength);
    const whole = Math.floor(known / blockTokens);
    if (whole === 0) return;
    const own = sequence.blockKeys ?? [];
    const keys = own.length >= whole ? own : prefixKeys(sequence.tokens.slice(0, known));
    for (let i = 0; i < whole; i++) this.pool.name(sequence.blocks[i], keys[i], sequence.gaps > 0);
  }

  /** To be called when a fill has run: its whole blocks can serve others from now on. */
  filled(sequence: Sequence): void {
    this.#nameBlocks(sequence);
  }

  #decoding(): Sequence[] {
    for (let i = 0; i < this.running.length; i++) {
      const sequence = this.running[i];
      if (sequence.phase !== 'generate') continue;
      const wanted = blocksFor(sequence.length + this.options.drafts);
      while (sequence.state === 'running' && !this.#grow(sequence, wanted)) this.#putAside();
    }
    return this.running.filter((sequence) => sequence.phase === 'generate');
  }

  /** The first of those waiting, with its blocks; null when there is no room. */
  #admit(): Sequence | null {
    const [sequence] = this.waiting;
    if (!sequence || this.running.length >= this.options.maxSequences) return null;
    const found = this.#findPrefix(sequence);
    const wanted = blocksFor(sequence.length + this.options.drafts);
    const reserve = this.running.length;
    if (wanted - found.length + reserve > this.pool.available) {
      for (const block of found) this.pool.release(block);
      return null;
    }
    this.waiting.shift();
    sequence.blocks.push(...found);
    sequence.computed = found.length * blockTokens;
    sequence.gaps = blockTokens * found.filter((block) => this.pool.hasGaps(block)).length;
    if (sequence.outputLength === 0) sequence.cachedTokens = sequence.computed;
    this.#grow(sequence, wanted);
    sequence.state = 'running';
    const after = this.running.findIndex(({ id }) => id > sequence.id);
    this.running.splice(after < 0 ? this.running.length : after, 0, sequence);
    return sequence;
  }

  /** Blocks of the cache that hold the beginning of the prompt: all but its last token at most. */
  #findPrefix(sequence: Sequence): number[] {
    if (!this.options.prefixCache || sequence.options.promptLogprobs !== null) return [];
    sequence.blockKeys ??= prefixKeys(sequence.prompt);
    const found: number[] = [];
    for (const key of sequence.blockKeys.slice(0, Math.floor((sequence.promptLength - 1) / blockTokens))) {
      const block = this.pool.find(key);
      if (block === null) break;
      found.push(block);
    }
    return found;
  }

  #grow(sequence: Sequence, wanted: number): boolean {
    while (sequence.blocks.length < wanted) {
      const block = this.pool.take();
      if (block === null) return false;
      sequence.blocks.push(block);
    }
    return true;
  }

  /** The sequence that came last goes back to those waiting, in its place. */
  #putAside(): void {
    const sequence = this.running.pop() as Sequence;
    this.#nameBlocks(sequence);
    this.#free(sequence);
    sequence.computed = 0;
    sequence.draft = null;
    sequence.state = 'waiting';
    const after = this.waiting.findIndex(({ id }) => id > sequence.id);
    this.waiting.splice(after < 0 ? this.waiting.length : after, 0, sequence);
    this.preemptions++;
  }

  #free(sequence: Sequence): void {
    for (const block of sequence.blocks.splice(0).reverse()) this.pool.release(block);
  }
}

// Which sequences run in the next step. Policy only: it knows lengths and blocks, never a tensor.
//
// Every step runs the whole decode batch and, with the rest of its token budget, prefill chunks, first come, first
// served. Where blocks run out, the sequence that arrived last is preempted: its blocks are freed and it is recomputed
// later. Contract: a sequence is admitted only when there are blocks for it and one more for each running sequence, so
// that the first to arrive always makes progress; no block leaks or is owned twice (engine.test.ts fuzzes it).
import { blockTokens } from '../kernels/index.ts';
import { type BlockPool, prefixKeys } from './block-pool.ts';
import type { Sequence } from './sequence.ts';

export interface SchedulerOptions {
  /** Sequences that run at once. */
  readonly maxSequences: number;
  /** Prefill tokens of a step. */
  readonly maxStepTokens: number;
  /** Tokens beyond the next that a decode step may write to the cache. */
  readonly lookahead: number;
  /** Whether later prompts may use the blocks of earlier ones. */
  readonly prefixCache: boolean;
  /** Whether a later prompt may use blocks made during decode, whose bits differ from those of prefill. */
  readonly reuseGenerated: boolean;
}

/** Tokens `from` to `to` of a sequence, which are not computed yet. */
export interface PrefillChunk {
  readonly sequence: Sequence;
  readonly from: number;
  readonly to: number;
}

export interface StepPlan {
  readonly decode: readonly Sequence[];
  readonly prefill: readonly PrefillChunk[];
  /** Output of preempted sequences. */
  readonly recompute: readonly PrefillChunk[];
}

const blocksFor = (tokens: number) => Math.ceil(tokens / blockTokens);

/** Inserts a sequence in order of arrival. */
function insert(list: Sequence[], sequence: Sequence): void {
  const after = list.findIndex(({ id }) => id > sequence.id);
  list.splice(after < 0 ? list.length : after, 0, sequence);
}

export class Scheduler {
  readonly pool: BlockPool;
  readonly options: SchedulerOptions;
  /** Both in order of arrival. */
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

  /** Chooses what runs in the next step and allocates its blocks. */
  schedule(): StepPlan {
    const decode = this.#decodeBatch();
    const prefill: PrefillChunk[] = [];
    const recompute: PrefillChunk[] = [];
    let budget = this.options.maxStepTokens;
    const addChunk = (sequence: Sequence): void => {
      const { phase, computed: from } = sequence;
      if (phase === 'decode') return;
      const end = phase === 'prefill' ? sequence.promptLength : sequence.length - 1;
      const to = Math.min(end, from + budget);
      budget -= to - from;
      (phase === 'prefill' ? prefill : recompute).push({ sequence, from, to });
    };
    for (const sequence of this.running) if (budget > 0) addChunk(sequence);
    while (budget > 0) {
      const admitted = this.#admit();
      if (!admitted) break;
      addChunk(admitted);
    }
    return { decode, prefill, recompute };
  }

  /** Takes a sequence out, whatever its state, and frees its blocks. */
  remove(sequence: Sequence): void {
    for (const list of [this.waiting, this.running]) {
      const at = list.indexOf(sequence);
      if (at >= 0) list.splice(at, 1);
    }
    this.#free(sequence);
    sequence.state = 'finished';
  }

  /** Gives keys to the blocks that are fully computed, so that later prompts find them. */
  cacheFullBlocks(sequence: Sequence): void {
    const { prefixCache, reuseGenerated } = this.options;
    if (!prefixCache) return;
    const known = reuseGenerated ? sequence.computed : Math.min(sequence.computed, sequence.promptLength);
    const full = Math.floor(known / blockTokens);
    if (full === 0) return;
    const own = sequence.blockKeys ?? [];
    const keys = own.length >= full ? own : prefixKeys(sequence.tokens.slice(0, known));
    for (let i = 0; i < full; i++) this.pool.setKey(sequence.blocks[i], keys[i]);
  }

  #decodeBatch(): Sequence[] {
    for (let i = 0; i < this.running.length; i++) {
      const sequence = this.running[i];
      if (sequence.phase !== 'decode') continue;
      const blocks = blocksFor(sequence.length + this.options.lookahead);
      while (sequence.state === 'running' && !this.#grow(sequence, blocks)) this.#preempt();
    }
    return this.running.filter(({ phase }) => phase === 'decode');
  }

  /** Admits the first waiting sequence; null when there is no room for it. */
  #admit(): Sequence | null {
    const [sequence] = this.waiting;
    if (!sequence || this.running.length >= this.options.maxSequences) return null;
    const found = this.#findPrefix(sequence);
    const blocks = blocksFor(sequence.length + this.options.lookahead);
    const reserve = this.running.length;
    if (blocks - found.length + reserve > this.pool.available) {
      for (const block of found) this.pool.release(block);
      return null;
    }
    this.waiting.shift();
    sequence.blocks.push(...found);
    sequence.computed = found.length * blockTokens;
    if (sequence.outputLength === 0) sequence.cachedTokens = sequence.computed;
    this.#grow(sequence, blocks);
    sequence.state = 'running';
    insert(this.running, sequence);
    return sequence;
  }

  /** Finds cached blocks that hold the beginning of the prompt; its last token is always computed. */
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

  #grow(sequence: Sequence, blocks: number): boolean {
    while (sequence.blocks.length < blocks) {
      const block = this.pool.take();
      if (block === null) return false;
      sequence.blocks.push(block);
    }
    return true;
  }

  /** Returns the sequence that arrived last to the queue. */
  #preempt(): void {
    const sequence = this.running.pop() as Sequence;
    this.#free(sequence);
    sequence.computed = 0;
    sequence.state = 'waiting';
    insert(this.waiting, sequence);
    this.preemptions++;
  }

  /** Frees the blocks of a sequence; full ones stay in the prefix cache. */
  #free(sequence: Sequence): void {
    this.cacheFullBlocks(sequence);
    for (const block of sequence.blocks.splice(0).reverse()) this.pool.release(block);
  }
}

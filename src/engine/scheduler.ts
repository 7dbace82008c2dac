// Which sequences run in the next step. Policy only: it knows lengths and blocks, never a tensor.
//
// Every step runs the whole decode batch and, with the rest of its token budget, prefill chunks, first come, first
// served; but who has a prompt that is being computed waits for it. Where blocks run out, the sequence that arrived
// last is preempted: its blocks are freed and it is recomputed later. Contract: a sequence is admitted only when
// there are blocks for it and one more for each running sequence, so that the first to arrive always makes progress; no
// block leaks or is owned twice (engine.test.ts fuzzes it).
import { blockTokens } from '../kernels/index.ts';
import { type BlockPool, prefixKeys } from './block-pool.ts';
import type { BlockCopy } from './runner.ts';
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
  /** Whether the last token of a prompt may run with the decode batch. */
  readonly phasesAgree: boolean;
  /** How many tokens a token sees, itself included; null: all. */
  readonly window: number | null;
}

/** Tokens `from` to `to` of a sequence, which are not computed yet. */
export interface PrefillChunk {
  readonly sequence: Sequence;
  readonly from: number;
  readonly to: number;
}

export interface StepPlan {
  /** To be made before anything runs, in this order. */
  readonly copies: readonly BlockCopy[];
  readonly decode: readonly Sequence[];
  readonly prefill: readonly PrefillChunk[];
  /** Output of preempted sequences. */
  readonly recompute: readonly PrefillChunk[];
}

/** The key of a whole prompt. */
const lastKey = ({ prefixKeys: keys }: Sequence) => keys[keys.length - 1];

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
    for (const sequence of this.running) this.#releaseHidden(sequence);
    this.#growDecodes();
    const copies: BlockCopy[] = [];
    const pending = new Set<string>();
    const prefill: PrefillChunk[] = [];
    const recompute: PrefillChunk[] = [];
    let budget = this.options.maxStepTokens;
    const addChunk = (sequence: Sequence): void => {
      const { computed: from } = sequence;
      const phase = this.#phase(sequence);
      if (phase === 'decode') return;
      if (phase === 'prefill') pending.add(lastKey(sequence));
      const end = phase === 'prefill' ? sequence.promptLength : sequence.length - 1;
      const to = Math.min(end, from + budget);
      budget -= to - from;
      (phase === 'prefill' ? prefill : recompute).push({ sequence, from, to });
    };
    for (const sequence of this.running) if (budget > 0) addChunk(sequence);
    while (budget > 0) {
      const admitted = this.#admit(pending, copies);
      if (!admitted) break;
      addChunk(admitted);
    }
    const decode = this.running.filter((sequence) => this.#phase(sequence) === 'decode');
    return { copies, decode, prefill, recompute };
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

  /** Gives keys to the blocks that are computed, so that later prompts find them. */
  cacheBlocks(sequence: Sequence): void {
    const { prefixCache, reuseGenerated } = this.options;
    if (!prefixCache) return;
    const { blocks, released, computed, promptLength, prefixKeys: own, options } = sequence;
    const known = reuseGenerated ? computed : Math.min(computed, promptLength);
    const full = Math.floor(known / blockTokens);
    const isKnown = full * blockTokens <= promptLength;
    const keys = isKnown ? own : prefixKeys(sequence.tokens.slice(0, full * blockTokens), options.cacheScope);
    for (let i = released; i < full; i++) this.pool.setKey(blocks[i], keys[i]);
    const hasLast = computed >= promptLength && full === own.length - 1 && full >= released;
    if (hasLast) this.pool.setKey(blocks[full], own[full]);
  }

  #phase(sequence: Sequence): Sequence['phase'] {
    const { phase, computed, length, options } = sequence;
    const isLast = this.options.phasesAgree && computed === length - 1 && options.promptLogprobs === null;
    return isLast ? 'decode' : phase;
  }

  /** Gives the decode batch the blocks of its next tokens. */
  #growDecodes(): void {
    for (let i = 0; i < this.running.length; i++) {
      const sequence = this.running[i];
      if (this.#phase(sequence) !== 'decode') continue;
      const blocks = blocksFor(sequence.length + this.options.lookahead);
      while (sequence.state === 'running' && !this.#grow(sequence, blocks)) this.#preempt();
    }
  }

  /**
   * Admits the first waiting sequence whose prompt is not among those that are being computed; null when there is no
   * room for it. Those who wait for their prompt keep their place.
   */
  #admit(pending: ReadonlySet<string>, copies: BlockCopy[]): Sequence | null {
    const at = this.waiting.findIndex((sequence) => !this.#waitsForPrefix(sequence, pending));
    if (at < 0 || this.running.length + at >= this.options.maxSequences) return null;
    const sequence = this.waiting[at];
    const found = this.#findPrefix(sequence);
    const full = Math.floor((sequence.promptLength - 1) / blockTokens);
    const last = found.length > full ? (found.pop() as number) : null;
    // It may be given away at once: copies are made before anything is written.
    if (last !== null) this.pool.release(last);
    const blocks = blocksFor(sequence.length + this.options.lookahead);
    const reserve = this.running.length;
    if (blocks - found.length + reserve > this.pool.available) {
      for (const block of found) this.pool.release(block);
      return null;
    }
    this.waiting.splice(at, 1);
    sequence.blocks.push(...found);
    this.#grow(sequence, blocks);
    const tokens = sequence.promptLength - 1 - full * blockTokens;
    const to = sequence.blocks[full];
    if (last !== null && last !== to && tokens > 0) copies.push({ from: last, to, tokens });
    sequence.computed = found.length * blockTokens + (last === null ? 0 : tokens);
    if (sequence.outputLength === 0) sequence.cachedTokens = sequence.computed;
    sequence.state = 'running';
    insert(this.running, sequence);
    return sequence;
  }

  #sharesPrefix({ options }: Sequence): boolean {
    return this.options.prefixCache && options.promptLogprobs === null;
  }

  /** Whether the same prompt is being computed: `pending` has the keys of such prompts. */
  #waitsForPrefix(sequence: Sequence, pending: ReadonlySet<string>): boolean {
    if (!this.#sharesPrefix(sequence) || pending.size === 0) return false;
    const key = lastKey(sequence);
    return pending.has(key) && !this.pool.has(key);
  }

  /** Finds cached blocks that hold the beginning of the prompt, the last of which may not be full. */
  #findPrefix(sequence: Sequence): number[] {
    if (!this.#sharesPrefix(sequence)) return [];
    const found: number[] = [];
    for (const key of sequence.prefixKeys) {
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

  /** Gives back blocks before the window of the next token; prompts' stay in the prefix cache. */
  #releaseHidden(sequence: Sequence): void {
    const { blocks, computed, released } = sequence;
    const { window } = this.options;
    if (window === null) return;
    const hidden = Math.floor(Math.max(0, computed + 1 - window) / blockTokens);
    if (hidden <= released) return;
    for (const block of blocks.slice(released, hidden)) this.pool.release(block);
    blocks.fill(blocks[hidden], 0, hidden); // kernels want blocks, of which they use nothing
    sequence.released = hidden;
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
    this.cacheBlocks(sequence);
    const own = sequence.blocks.splice(0).slice(sequence.released);
    for (const block of own.reverse()) this.pool.release(block);
    sequence.released = 0;
  }
}

// The batches of a run: windows of concatenated documents, in an order that is known at every position.
//
// packed: each epoch concatenates all documents in a new order and cuts them into windows that overlap by the last
// tokens, so every token is a target once; windows are shuffled too. windows: random positions, as in nanoGPT. FIM (V3
// report, section 4.1): some documents are rearranged as prefix, suffix, middle (PSM). Contract: seed and number
// determine everything, so the state is one number and restoring it costs nothing.
import { permuted, Random } from '../math/index.ts';
import { CorpusError } from './errors.ts';
import type { TokenSplit } from './shards.ts';
import type { FimIds } from './vocabulary.ts';

export interface BatchOptions {
  /** The number of windows in a batch. */
  readonly batch: number;
  /** The number of tokens per window that are trained on. */
  readonly sequenceLength: number;
  /** sequenceLength and the further tokens that serve as targets. */
  readonly windowLength: number;
  readonly seed: number;
  /** @default packed */
  readonly mode?: 'packed' | 'windows';
  readonly fim?: { readonly rate: number; readonly ids: FimIds; readonly endId: number | null };
}

export interface BatchState {
  /** The number of windows that were taken. */
  readonly taken: number;
}

const streams = { order: 1, windows: 2, places: 3, rotate: 4, cut: 5, shift: 6 } as const;

/** The concatenated documents of one epoch. */
interface Epoch {
  readonly number: number;
  /** The position of each document, and the end. */
  readonly starts: Float64Array;
  readonly windows: number;
  /** The number of tokens skipped at the start, so that window borders move from epoch to epoch. */
  readonly shift: number;
}

export class BatchStream {
  readonly #split: TokenSplit;
  readonly #options: BatchOptions;
  #taken = 0;
  #epoch: Epoch;

  constructor(split: TokenSplit, options: BatchOptions) {
    this.#split = split;
    this.#options = options;
    if (split.tokens < options.windowLength)
      throw new CorpusError(
        'corpus',
        `has ${split.tokens} tokens, a window takes ${options.windowLength}`,
        'give more text or shorten sequenceLength',
      );
    this.#epoch = this.#openEpoch(0);
  }

  /** The number of complete passes over the corpus. */
  get epoch(): number {
    return this.#options.mode === 'windows'
      ? Math.floor((this.#taken * this.#options.sequenceLength) / this.#split.tokens)
      : Math.floor(this.#taken / this.#epoch.windows);
  }

  get state(): BatchState {
    return { taken: this.#taken };
  }

  restore({ taken }: BatchState): void {
    this.#taken = taken;
  }

  next(): Int32Array[] {
    return Array.from({ length: this.#options.batch }, () => this.#window(this.#taken++));
  }

  #window(number: number): Int32Array {
    const { mode, seed, windowLength, sequenceLength } = this.#options;
    if (mode === 'windows') {
      const places = this.#split.tokens - windowLength + 1;
      const from = Math.floor(new Random(seed, streams.places, number).uniform() * places);
      return this.#split.read(from, from + windowLength);
    }
    const { windows } = this.#epoch; // the same in every epoch: rotation keeps lengths
    const epoch = Math.floor(number / windows);
    if (epoch !== this.#epoch.number) this.#epoch = this.#openEpoch(epoch);
    const place = permuted(number % windows, windows, seed, streams.windows, epoch);
    return this.#read(this.#epoch, this.#epoch.shift + place * sequenceLength);
  }

  /** FIM adds three tokens to a document and drops none. */
  #openEpoch(number: number): Epoch {
    const { seed, windowLength, sequenceLength, fim } = this.#options;
    const { documents, starts: places, tokens } = this.#split;
    const starts = new Float64Array(documents + 1);
    for (let i = 0; i < documents; i++) {
      const d = this.#documentAt(number, i);
      const length = places[d + 1] - places[d];
      starts[i + 1] = starts[i] + length + (fim && this.#rotates(number, d) ? 3 : 0);
    }
    const room = tokens - windowLength;
    const windows = Math.max(1, Math.floor(room / sequenceLength));
    const spare = room - (windows - 1) * sequenceLength;
    const shift = Math.floor(new Random(seed, streams.shift, number).uniform() * (Math.max(0, spare) + 1));
    return { number, starts, windows, shift };
  }

  #documentAt(epoch: number, i: number): number {
    return permuted(i, this.#split.documents, this.#options.seed, streams.order, epoch);
  }

  #rotates(epoch: number, document: number): boolean {
    const { fim, seed } = this.#options;
    return fim !== undefined && new Random(seed, streams.rotate, epoch, document).uniform() < fim.rate;
  }

  #read({ number, starts }: Epoch, from: number): Int32Array {
    const { windowLength } = this.#options;
    const window = new Int32Array(windowLength);
    let [low, high] = [0, starts.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= from) low = middle;
      else high = middle;
    }
    for (let i = low, at = 0; at < windowLength; i++) {
      const begin = from + at - starts[i];
      const count = Math.min(windowLength - at, starts[i + 1] - starts[i] - begin);
      window.set(this.#document(number, i, begin, count), at);
      at += count;
    }
    return window;
  }

  /** Reads `count` tokens from `begin` of document i of the epoch. */
  #document(epoch: number, i: number, begin: number, count: number): Int32Array {
    const d = this.#documentAt(epoch, i);
    const start = this.#split.starts[d];
    if (!this.#rotates(epoch, d)) return this.#split.read(start + begin, start + begin + count);
    const { fim, seed } = this.#options as Required<BatchOptions>;
    const cuts = [
      new Random(seed, streams.cut, epoch, d, 1).uniform(),
      new Random(seed, streams.cut, epoch, d, 2).uniform(),
    ] as const;
    return fillInTheMiddle(this.#split.document(d), cuts, fim.ids, fim.endId).subarray(begin, begin + count);
  }
}

/** Rearranges a document as PSM: begin, prefix, hole, suffix, end, middle, end token. `cuts` are in [0, 1). */
export function fillInTheMiddle(
  document: Int32Array,
  cuts: readonly [number, number],
  { begin, hole, end }: FimIds,
  endId: number | null,
): Int32Array {
  const length = endId !== null && document.at(-1) === endId ? document.length - 1 : document.length;
  const [first, second] = cuts.map((cut) => Math.floor(cut * (length + 1))).sort((a, b) => a - b) as [number, number];
  const part = (from: number, to: number) => Array.from(document.subarray(from, to));
  return Int32Array.of(
    ...[begin, ...part(0, first), hole, ...part(second, length), end],
    ...[...part(first, second), ...part(length, document.length)],
  );
}

/**
 * Yields batches of windows in order, whose targets do not overlap: about `tokens` tokens at most, spread evenly over
 * the split.
 */
export function* validationBatches(
  split: TokenSplit,
  { batch, sequenceLength, windowLength }: Pick<BatchOptions, 'batch' | 'sequenceLength' | 'windowLength'>,
  tokens = Number.POSITIVE_INFINITY,
): Generator<Int32Array[]> {
  const fitting = Math.floor((split.tokens - windowLength) / sequenceLength) + 1;
  const batches = Math.floor(Math.min(fitting, Math.max(batch, tokens / sequenceLength)) / batch);
  const spread = fitting / Math.max(1, batches * batch);
  for (let b = 0; b < batches; b++)
    yield Array.from({ length: batch }, (_, i) => {
      const from = Math.floor((b * batch + i) * spread) * sequenceLength;
      return split.read(from, from + windowLength);
    });
}

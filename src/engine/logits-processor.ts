// The logits processor of a sequence: penalties and biases as a short list of logit edits, updated with each token.
//
// An edit of token i is logit' = (logit > 0 ? logit / scale : logit * scale) + add: first the repetition penalty of
// CTRL (Keskar et al. 2019) for tokens of prompt and output, then minus presence and frequency penalties for tokens of
// the output (OpenAI's definition), plus the bias. Tokens that would end the output before its minimum length are
// forbidden until then. Edits are in ascending order of ids, which is what the kernels take.
// A request without penalties and biases has no edits and costs nothing.
import type { ResolvedSampling } from './sampling-options.ts';

/** Edits as the kernels take them: one edit is the same index of each array. */
export interface LogitEditArrays {
  readonly ids: Int32Array;
  readonly scales: Float32Array;
  readonly adds: Float32Array;
}

type LogitOptions = Pick<
  ResolvedSampling,
  'presencePenalty' | 'frequencyPenalty' | 'repetitionPenalty' | 'logitBias' | 'minTokens' | 'endIds'
>;

export class LogitsProcessor {
  readonly #options: LogitOptions;
  readonly #countsOutput: boolean;
  readonly #countsPrompt: boolean;
  /** Tokens with an edit, ascending; only the first `#length` are valid. */
  #ids: Int32Array;
  #length: number;
  /** How often each token was generated. */
  readonly #generated = new Map<number, number>();
  readonly #prompt = new Set<number>();
  /** Tokens that are forbidden while fewer than `minTokens` were generated. */
  readonly #ending: ReadonlySet<number>;
  #outputLength = 0;

  constructor(options: LogitOptions, prompt: ArrayLike<number>) {
    this.#options = options;
    this.#countsPrompt = options.repetitionPenalty !== 1;
    this.#countsOutput = this.#countsPrompt || options.presencePenalty !== 0 || options.frequencyPenalty !== 0;
    this.#ending = new Set(options.minTokens > 0 ? options.endIds : []);
    if (this.#countsPrompt) for (let i = 0; i < prompt.length; i++) this.#prompt.add(prompt[i]);
    const ids = Int32Array.from(new Set([...this.#prompt, ...options.logitBias.keys(), ...this.#ending])).sort();
    this.#ids = ids;
    this.#length = ids.length;
  }

  /** The current number of edits. */
  get length(): number {
    return this.#length;
  }

  /** Counts a token as generated, or as if it were while a draft is verified. */
  push(id: number): void {
    this.#outputLength++;
    if (!this.#countsOutput) return;
    const times = this.#generated.get(id) ?? 0;
    this.#generated.set(id, times + 1);
    if (times === 0 && !this.#isPermanent(id)) this.#insert(id);
  }

  /** Undoes a `push` of the same token. */
  pop(id: number): void {
    this.#outputLength--;
    const times = this.#generated.get(id);
    if (times === undefined) return;
    if (times > 1) this.#generated.set(id, times - 1);
    else {
      this.#generated.delete(id);
      if (!this.#isPermanent(id)) this.#remove(id);
    }
  }

  /** Writes all edits from index `at` on; returns the index after them. */
  write(out: LogitEditArrays, at: number): number {
    const { presencePenalty, frequencyPenalty, repetitionPenalty, logitBias } = this.#options;
    const isShort = this.#outputLength < this.#options.minTokens;
    for (let i = 0; i < this.#length; i++) {
      const id = this.#ids[i];
      const times = this.#generated.get(id) ?? 0;
      out.ids[at + i] = id;
      out.scales[at + i] = this.#countsPrompt && (times > 0 || this.#prompt.has(id)) ? repetitionPenalty : 1;
      const penalty = times > 0 ? presencePenalty + frequencyPenalty * times : 0;
      out.adds[at + i] =
        isShort && this.#ending.has(id) ? Number.NEGATIVE_INFINITY : (logitBias.get(id) ?? 0) - penalty;
    }
    return at + this.#length;
  }

  #isPermanent(id: number): boolean {
    return this.#prompt.has(id) || this.#options.logitBias.has(id) || this.#ending.has(id);
  }

  /** Returns the first index whose id is at least `id`. */
  #findIndex(id: number): number {
    let [low, high] = [0, this.#length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ids[middle] < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #insert(id: number): void {
    if (this.#length === this.#ids.length) {
      const grown = new Int32Array(2 * this.#length + 64);
      grown.set(this.#ids);
      this.#ids = grown;
    }
    const place = this.#findIndex(id);
    this.#ids.copyWithin(place + 1, place, this.#length++);
    this.#ids[place] = id;
  }

  #remove(id: number): void {
    const place = this.#findIndex(id);
    this.#ids.copyWithin(place, place + 1, this.#length--);
  }
}

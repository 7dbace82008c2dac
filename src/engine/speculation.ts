// Speculative decoding with multi-token prediction (MTP): when a step drafts, which draft it verifies, and the results.
//
// The runner computes drafts on request; everything else about them is here. Drafts change no token: one counts only if
// it is the token that is drawn at its position. A step with drafts commits 1 + a tokens of a sequence, where a is the
// share of accepted drafts; it pays when that exceeds its cost in plain steps. The cost depends on how many sequences
// share the step (more rows choose more experts), so each size has its own verdict: a trial, then on or off, then a new
// trial after a pause that doubles. Left out: longer drafts, verdicts for single sequences.
import { blockTokens } from '../kernels/index.ts';
import { median } from '../math/index.ts';
import type { BlockCopy, ScheduledChunk } from './runner.ts';
import type { Sequence } from './sequence.ts';

/** Drafts that are verified, and costs that are measured, before a trial is judged. */
const trialDrafts = 24;
const trialCosts = 7;
/** A trial without enough costs after this many steps ends with drafts off: the engine is too busy to measure. */
const maxTrialSteps = 256;
/** The cost is the median of this many ratios of neighboring steps, which a slow minute slows alike. */
const keptCosts = 15;
/** The number of recent drafts that acceptance is averaged over. */
const keptDrafts = 64;
/** The first and the longest pause between trials, in steps. */
const firstPause = 2048;
const maxPause = 32768;
/** One step in this many is plain, so that it can be timed. */
const plainEvery = 64;
const plainEveryInTrial = 4;
/** The gain from which drafts are turned on. */
const minGain = 1.05;

/** The verdict on steps of about the same number of sequences. */
class StepSize {
  state: 'trial' | 'on' | 'off' = 'trial';
  /** The cost of a step with drafts in plain steps, the latest last. */
  costs: number[] = [];
  /** Milliseconds of the steps with drafts since the last plain step. */
  drafted: number[] = [];
  /** The number of drafts that were verified before the trial began. */
  draftsBefore = 0;
  trialSteps = 0;
  pause = firstPause;
  /** Steps since drafts were turned off, and since the last plain step. */
  stepsOff = 0;
  stepsSincePlain = 0;

  /** null until enough costs are measured. */
  get cost(): number | null {
    return this.costs.length < trialCosts ? null : median(this.costs);
  }

  record(ms: number, drafted: boolean): void {
    if (drafted) {
      this.drafted = [...this.drafted.slice(1 - plainEveryInTrial), ms];
      return;
    }
    this.stepsSincePlain = 0;
    if (this.drafted.length > 0 && ms > 0) this.costs = [...this.costs.slice(1 - keptCosts), median(this.drafted) / ms];
    this.drafted = [];
  }
}

export interface SpeculationStats {
  /** Whether steps of the latest size are drafted. */
  readonly isOn: boolean;
  /** The share of recent drafts that were accepted. */
  readonly acceptance: number;
  /** The cost of a step with drafts in plain steps, at the latest size; null until it is measured. */
  readonly stepCost: number | null;
  /** How often drafts were turned on or off. */
  readonly switches: number;
}

export class SpeculationPolicy {
  readonly #always: boolean;
  readonly #sizes: StepSize[] = [];
  #latest: StepSize;
  #drafts = 0;
  /** The number of drafts that `#acceptance` is the mean of. */
  #weight = 0;
  #acceptance = 0;
  #switches = 0;

  /** `always`: drafts whether they pay or not. */
  constructor(always = false) {
    this.#always = always;
    this.#latest = this.#size(1);
  }

  get stats(): SpeculationStats {
    const { state, cost } = this.#latest;
    const isOn = this.#always || state !== 'off';
    return { isOn, acceptance: this.#acceptance, stepCost: cost, switches: this.#switches };
  }

  /** Decides, once for each step, whether `count` sequences are drafted. `draftable`: at least one can be. */
  next(count: number, draftable: boolean): boolean {
    const size = this.#size(count);
    this.#latest = size;
    if (this.#always) return draftable;
    this.#judge(size);
    if (size.state === 'off') return false;
    const every = size.state === 'trial' ? plainEveryInTrial : plainEvery;
    const waitsForPlain = size.stepsSincePlain >= every;
    if (draftable || waitsForPlain) size.trialSteps++;
    return draftable && !waitsForPlain && ++size.stepsSincePlain < every;
  }

  /** Whether prefill before steps of `count` sequences computes what drafts need. */
  prepares(count: number): boolean {
    return this.#always || this.#size(count).state !== 'off';
  }

  /** Records the time of a step that had nothing but `count` sequences in decode. */
  record(ms: number, count: number, drafted: boolean): void {
    this.#size(count).record(ms, drafted);
  }

  countDraft(accepted: boolean): void {
    this.#drafts++;
    this.#weight = Math.min(this.#weight + 1, keptDrafts);
    this.#acceptance += ((accepted ? 1 : 0) - this.#acceptance) / this.#weight;
  }

  #judge(size: StepSize): void {
    if (size.state === 'off') {
      if (++size.stepsOff >= size.pause) this.#startTrial(size);
      return;
    }
    const { cost } = size;
    if (cost === null && size.trialSteps > maxTrialSteps) this.#turn(size, false);
    if (cost === null || this.#drafts - size.draftsBefore < trialDrafts) return;
    const gain = (1 + this.#acceptance) / cost;
    if (size.state === 'trial') this.#turn(size, gain >= minGain);
    else if (gain < 1) this.#turn(size, false);
  }

  #turn(size: StepSize, on: boolean): void {
    this.#switches++;
    size.state = on ? 'on' : 'off';
    size.stepsOff = 0;
    if (on) size.pause = firstPause;
  }

  #startTrial(size: StepSize): void {
    size.state = 'trial';
    size.pause = Math.min(2 * size.pause, maxPause);
    size.draftsBefore = this.#drafts;
    size.trialSteps = 0;
    size.costs = []; // sequences may be longer now
    size.drafted = [];
    this.#weight = Math.min(this.#weight, trialDrafts / 3); // new drafts count more
  }

  /** Sizes are 1, 2, 3 to 4, 5 to 8, ... */
  #size(count: number): StepSize {
    const index = Math.ceil(Math.log2(Math.max(1, count)));
    this.#sizes[index] ??= new StepSize();
    return this.#sizes[index];
  }
}

/** Drafts of a sequence, or of all. */
class DraftCounts {
  draftedTokens = 0;
  acceptedTokens = 0;
}

interface SequenceDrafts {
  /** The draft of the next token. */
  draft: number | null;
  readonly counts: DraftCounts;
}

export interface SpeculationOptions {
  /** Drafts that the runner makes for a sequence: 0 or 1. */
  readonly maxDrafts: number;
  /** measured: as long as drafts pay; always: whatever they cost. */
  readonly drafting: 'measured' | 'always';
  /** Returns milliseconds. */
  readonly clock: () => number;
}

/** Drafts of all sequences of an engine. */
export class Speculation {
  readonly maxDrafts: number;
  readonly #policy: SpeculationPolicy | null;
  readonly #clock: () => number;
  readonly #sequences = new WeakMap<Sequence, SequenceDrafts>();
  /** The number of tokens in each block that the MTP module has no rows of. */
  readonly #draftless: number[] = [];
  readonly counts = new DraftCounts();

  constructor({ maxDrafts, drafting, clock }: SpeculationOptions) {
    this.maxDrafts = maxDrafts;
    this.#policy = maxDrafts > 0 ? new SpeculationPolicy(drafting === 'always') : null;
    this.#clock = clock;
  }

  /** null: the runner makes no drafts. */
  get stats(): SpeculationStats | null {
    return this.#policy?.stats ?? null;
  }

  /** Drafts of one sequence so far. */
  usage(sequence: Sequence): DraftCounts {
    return this.#state(sequence).counts;
  }

  /** Decides, once for each step, whether its decode batch drafts. */
  drafts(decode: readonly Sequence[]): boolean {
    if (this.#policy === null || decode.length === 0) return false;
    return this.#policy.next(
      decode.length,
      decode.some((sequence) => this.isDraftable(sequence)),
    );
  }

  /** Whether chunks of prefill run the MTP module, so that their sequences can be drafted later. */
  prepares(chunks: readonly { readonly sequence: Sequence }[], running: number): boolean {
    if (this.#policy === null || !this.#policy.prepares(running)) return false;
    return chunks.some(({ sequence }) => this.isDraftable(sequence));
  }

  /** The draft of the next token, or null. */
  draft(sequence: Sequence): number | null {
    return this.#state(sequence).draft;
  }

  /** The ids that a decode step runs: the last token and, where one is to be verified, the draft after it. */
  decodeIds(sequence: Sequence, drafts: boolean): Int32Array {
    const last = sequence.token(sequence.length - 1);
    const { draft } = this.#state(sequence);
    // A draft is verified only where the token after it is the model's to choose.
    const isVerified = drafts && draft !== null && sequence.listener.tokensUntilForced > this.maxDrafts;
    return Int32Array.from(isVerified ? [last, draft] : [last]);
  }

  /** Runs a decode batch and measures its time, unless it made drafts but had none to verify. */
  async time<T>(chunks: readonly ScheduledChunk[], drafts: boolean, run: () => Promise<T>): Promise<T> {
    const started = this.#clock();
    const result = await run();
    const verified = chunks.some(({ ids }) => ids.length > 1);
    if (verified === drafts) this.#policy?.record(this.#clock() - started, chunks.length, drafts);
    return result;
  }

  /** Notes which rows the MTP module has after a chunk has run. */
  ran({ sequence, from, ids }: ScheduledChunk, drafts: boolean): void {
    if (this.#policy === null) return;
    for (let position = from; position < from + ids.length; position++) {
      const block = sequence.blocks[Math.floor(position / blockTokens)];
      if (position % blockTokens === 0) this.#draftless[block] = 0;
      if (!drafts) this.#draftless[block]++;
    }
  }

  /** Notes which rows the MTP module has in copies: at most as few as in the block that was copied. */
  copied(copies: readonly BlockCopy[]): void {
    for (const { from, to, tokens } of copies) this.#draftless[to] = Math.min(this.#draftless[from], tokens);
  }

  /** Keeps the draft of a sequence's next token. */
  propose(sequence: Sequence, draft: number | undefined): void {
    this.#state(sequence).draft = draft !== undefined && this.isDraftable(sequence) ? draft : null;
  }

  /** Whether the draft that ran after a token was the token drawn there. */
  verify(sequence: Sequence, draft: number | undefined, token: number): boolean {
    if (draft === undefined) return false;
    const accepted = draft === token;
    this.#policy?.countDraft(accepted);
    for (const counts of [this.counts, this.usage(sequence)]) {
      counts.draftedTokens++;
      if (accepted) counts.acceptedTokens++;
    }
    return accepted;
  }

  /** Whether drafts are likely to be good: a few draftless tokens hardly matter, many cost most of the guesses. */
  isDraftable({ blocks, computed }: Sequence): boolean {
    let draftless = 0;
    for (let i = 0; i * blockTokens < computed; i++) draftless += this.#draftless[blocks[i]];
    return draftless <= 8 + computed / 8;
  }

  #state(sequence: Sequence): SequenceDrafts {
    const known = this.#sequences.get(sequence);
    if (known) return known;
    const drafts = { draft: null, counts: new DraftCounts() };
    this.#sequences.set(sequence, drafts);
    return drafts;
  }
}

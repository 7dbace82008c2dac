// Whether drafts pay, measured while serving. Policy only: it sees counts and milliseconds, never a token.
//
// A step with drafts settles 1 + a tokens of a sequence, a being the share of drafts accepted; it pays when that is more
// than such a step costs in plain ones. Cost depends on how many sequences share the step (more rows choose more
// experts), so each size has its own verdict: on trial, then on or off, and on trial again after a while, each time
// twice as late. Drafts change no token, hence neither does this. Left out: longer drafts, verdicts by sequence.
import { median } from '../math/index.ts';

/** Drafts verified, and costs measured, before a trial is judged. */
const trialDrafts = 24;
const trialCosts = 7;
/** A trial that has not come to costs after so many steps ends with drafts off: the engine is too busy to tell. */
const longestTrial = 256;
/** The cost is the median of so many; each is of neighbouring steps, so that a slow minute slows both. */
const keptCosts = 15;
/** Of drafts of late, for their share accepted. */
const keptDrafts = 64;
/** Steps without drafts between trials: at first, and at most. */
const firstPause = 2048;
const longestPause = 32768;
/** While drafts are on, one step in so many is plain, to be timed; on trial one in four. */
const plainEvery = 64;
const plainEveryInTrial = 4;
/** Drafts are turned on where they gain so much. */
const leastGain = 1.05;

/** Steps of about the same number of sequences. */
class Size {
  state: 'trial' | 'on' | 'off' = 'trial';
  /** What steps with drafts cost in plain ones, the latest last. */
  costs: number[] = [];
  /** Milliseconds of the steps with drafts since the last plain one. */
  drafted: number[] = [];
  /** Drafts verified when the trial began. */
  draftsBefore = 0;
  trialSteps = 0;
  pause = firstPause;
  /** Since drafts were turned off, and since the last plain step. */
  stepsOff = 0;
  stepsSincePlain = 0;

  /** null before it is known. */
  get cost(): number | null {
    return this.costs.length < trialCosts ? null : median(this.costs);
  }

  took(ms: number, drafted: boolean): void {
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
  /** Whether steps like the latest are drafted. */
  readonly isOn: boolean;
  /** Share of drafts accepted of late. */
  readonly acceptance: number;
  /** What a step with drafts costs in plain ones, of the latest step's size; null until measured. */
  readonly stepCost: number | null;
  /** Times that drafts were turned on or off after a trial or in use. */
  readonly switches: number;
}

export class SpeculationPolicy {
  readonly #always: boolean;
  readonly #sizes: Size[] = [];
  #latest: Size;
  #drafts = 0;
  /** Drafts that `#acceptance` stands for. */
  #weight = 0;
  #acceptance = 0;
  #switches = 0;

  /** `always`: drafts whether they pay or not. */
  constructor(always = false) {
    this.#always = always;
    this.#latest = this.#sizeOf(1);
  }

  get stats(): SpeculationStats {
    const { state, cost } = this.#latest;
    const isOn = this.#always || state !== 'off';
    return { isOn, acceptance: this.#acceptance, stepCost: cost, switches: this.#switches };
  }

  /**
   * Whether the next step of `count` sequences is to be drafted; `draftable`: one of them could be. To be asked once for
   * each step.
   */
  next(count: number, draftable: boolean): boolean {
    const size = this.#sizeOf(count);
    this.#latest = size;
    if (this.#always) return draftable;
    this.#judge(size);
    if (size.state === 'off') return false;
    const every = size.state === 'trial' ? plainEveryInTrial : plainEvery;
    const waitsForPlain = size.stepsSincePlain >= every;
    if (draftable || waitsForPlain) size.trialSteps++;
    return draftable && !waitsForPlain && ++size.stepsSincePlain < every;
  }

  /** Whether what is computed before a step of `count` sequences is to be made ready for drafts. */
  prepares(count: number): boolean {
    return this.#always || this.#sizeOf(count).state !== 'off';
  }

  /** A step of `count` sequences and nothing else took so long; `drafted`: drafts were verified, or there were none. */
  took(ms: number, count: number, drafted: boolean): void {
    this.#sizeOf(count).took(ms, drafted);
  }

  verified(accepted: boolean): void {
    this.#drafts++;
    this.#weight = Math.min(this.#weight + 1, keptDrafts);
    this.#acceptance += ((accepted ? 1 : 0) - this.#acceptance) / this.#weight;
  }

  #judge(size: Size): void {
    if (size.state === 'off') {
      if (++size.stepsOff >= size.pause) this.#try(size);
      return;
    }
    const { cost } = size;
    if (cost === null && size.trialSteps > longestTrial) this.#turn(size, false);
    if (cost === null || this.#drafts - size.draftsBefore < trialDrafts) return;
    const gain = (1 + this.#acceptance) / cost;
    if (size.state === 'trial') this.#turn(size, gain >= leastGain);
    else if (gain < 1) this.#turn(size, false);
  }

  #turn(size: Size, on: boolean): void {
    this.#switches++;
    size.state = on ? 'on' : 'off';
    size.stepsOff = 0;
    if (on) size.pause = firstPause;
  }

  #try(size: Size): void {
    size.state = 'trial';
    size.pause = Math.min(2 * size.pause, longestPause);
    size.draftsBefore = this.#drafts;
    size.trialSteps = 0;
    size.costs = []; // of other lengths, perhaps
    size.drafted = [];
    this.#weight = Math.min(this.#weight, trialDrafts / 3); // what comes now counts more than what was
  }

  /** 1, 2, 3 to 4, 5 to 8, ... */
  #sizeOf(count: number): Size {
    const index = Math.ceil(Math.log2(Math.max(1, count)));
    this.#sizes[index] ??= new Size();
    return this.#sizes[index];
  }
}

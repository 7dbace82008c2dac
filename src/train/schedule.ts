// Schedules: learning rate, MTP's weight and the speed of the bias as pure functions of the step.
//
// DeepSeek-V3 (report, section 4.2): linear warm-up, constant, cosine down to a tenth; MTP's weight and the speed of
// the bias change once. Steps count from 1, and the first one has a rate above 0.

export interface Schedule {
  /** The peak. */
  readonly learningRate: number;
  /** The rate at the end of the cosine. */
  readonly minLearningRate: number;
  readonly warmupSteps: number;
  /** constant: stays at the peak. cosine: falls from `decayFrom` to the last step. */
  readonly decay: 'constant' | 'cosine';
  /** The fraction of the steps after which the cosine begins; V3: 10T of 14.8T tokens. */
  readonly decayFrom: number;
}

/** Returns the learning rate of step 1, 2, ..., `steps`. */
export function learningRateAt(schedule: Schedule, step: number, steps: number): number {
  const { learningRate, minLearningRate, warmupSteps, decay, decayFrom } = schedule;
  if (step <= warmupSteps) return (learningRate * step) / warmupSteps;
  const start = Math.max(warmupSteps, Math.floor(decayFrom * steps));
  if (decay === 'constant' || step <= start) return learningRate;
  const done = Math.min(1, (step - start) / Math.max(1, steps - start));
  return minLearningRate + (learningRate - minLearningRate) * 0.5 * (1 + Math.cos(Math.PI * done));
}

/** Returns a value that changes once, after a fraction of the steps. */
export function switched(early: number, late: number, after: number, step: number, steps: number): number {
  return step <= after * steps ? early : late;
}

// A step on sequences of any lengths, as fine-tuning and reinforcement learning take it.
import type { Device } from '../kernels/index.ts';
import { scope } from '../tensor/index.ts';
import { TrainError } from './errors.ts';
import { type BatchShape, packed, sequenceInputs, type TrainSequence } from './sequence-batch.ts';
import type { Rates, StepReport, TrainStep } from './train-step.ts';

/** Packs the sequences into as many micro-batches as they need, and takes one optimizer step on all of them. */
export function stepOnSequences(
  trainStep: TrainStep,
  sequences: readonly TrainSequence[],
  { shape, rates, device }: { readonly shape: BatchShape; readonly rates: Rates; readonly device: Device },
): Promise<StepReport> {
  return scope(() => ({
    report: trainStep.run(
      packed(sequences, shape).map((bin) => sequenceInputs(bin, shape, device)),
      rates,
    ),
  })).report;
}

/** Throws where a step's gradient was not finite: it changed nothing, and the next would not either. */
export function expectFinite(step: number, gradientNorm: number | null): void {
  if (gradientNorm !== null && Number.isFinite(gradientNorm)) return;
  const remedy = 'resume from the last checkpoint with a lower rate';
  throw new TrainError(`step ${step}`, 'the gradient is not finite', remedy);
}

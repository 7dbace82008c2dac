// Whether a model fits this machine's memory, said before any of it is taken.
import { describeMachine } from '../kernels/index.ts';
import type { ModelConfig } from './config.ts';
import { countParameters } from './cost.ts';
import { ModelError } from './errors.ts';

const whole = (n: number) => Math.round(n).toLocaleString('en-US');
const gigabytes = (bytes: number) => `${whole(bytes / 1e9)} GB`;

/**
 * Throws ModelError unless all parameters of a configuration fit the memory of this machine. `bytesEach`: of a
 * parameter, such as 4 for weights in f32 or 16 with gradient and two moments.
 */
export function expectMemory(
  config: ModelConfig,
  bytesEach: number,
  source: string,
  remedy = 'choose a smaller model',
): void {
  const { total, mtp } = countParameters(config);
  const needed = (total + mtp) * bytesEach;
  const { memoryBytes } = describeMachine();
  if (needed <= memoryBytes) return;
  throw new ModelError(
    source,
    `${whole((total + mtp) / 1e6)} million parameters (hidden_size ${config.hiddenSize}, vocab_size ` +
      `${config.vocabSize}, ${config.numHiddenLayers} layers) take at least ${gigabytes(needed)}, this machine has ` +
      gigabytes(memoryBytes),
    remedy,
  );
}

// Tables of cos and sin for the rope kernel, with YaRN's stretched frequencies (Peng et al. 2023, as DeepSeek uses it).
//
// Angles are float64 until the last rounding. YaRN blends each frequency with itself divided by `factor`, by how many
// turns it makes within the original context: fast ones (beta_fast turns and more) stay, slow ones (beta_slow and
// fewer) are divided. Llama 3 does the same by wavelength, without a magnitude; linear scaling divides all of them,
// LongRoPE each by its own factor.
// Left out: the softmax scale, which is the model's (it multiplies by yarnMagnitude squared).
import { ValueError } from './errors.ts';

/** Names of Hugging Face's `rope_scaling`, in camelCase. */
export interface YarnConfig {
  readonly factor: number;
  readonly originalMaxPositionEmbeddings: number;
  /** @default 32 */
  readonly betaFast?: number;
  /** @default 1 */
  readonly betaSlow?: number;
  /** @default 1 */
  readonly mscale?: number;
  /** @default 0, which means a magnitude of 1 */
  readonly mscaleAllDim?: number;
}

/** Names of Hugging Face's `rope_scaling` of type llama3, in camelCase. */
interface Llama3Config {
  readonly factor: number;
  readonly originalMaxPositionEmbeddings: number;
  readonly lowFreqFactor: number;
  readonly highFreqFactor: number;
}

/** LongRoPE (Ding et al. 2024): each frequency has a divisor of its own. */
interface LongRopeConfig {
  /** [dim / 2] */
  readonly factors: readonly number[];
  /** What cos and sin are multiplied by. */
  readonly magnitude: number;
}

export interface RopeConfig {
  /** Rotary elements of a head, R. */
  readonly dim: number;
  /** `rope_theta` */
  readonly base: number;
  /** At most one of the four may be given. */
  readonly yarn?: YarnConfig;
  readonly llama3?: Llama3Config;
  readonly linear?: { readonly factor: number };
  readonly longrope?: LongRopeConfig;
}

export interface RopeTable {
  /** [length, dim / 2] */
  readonly cos: Float32Array;
  /** [length, dim / 2] */
  readonly sin: Float32Array;
}

/** `0.1 * mscale * ln(factor) + 1`, 1 where nothing is stretched. */
export function yarnMagnitude(factor: number, mscale: number): number {
  return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
}

/** Radians per position of each pair: [dim / 2], float64. */
export function inverseFrequencies({ dim, base, yarn, llama3, linear, longrope }: RopeConfig): Float64Array {
  if (!(Number.isInteger(dim) && dim > 0 && dim % 2 === 0))
    throw new ValueError(
      'ropeTable',
      `dim is ${dim}, expected a positive even number`,
      'give the rotary width of a head',
    );
  const plain = Float64Array.from({ length: dim / 2 }, (_, i) => base ** ((-2 * i) / dim));
  if (llama3) return plain.map((f) => stretchLlama3(f, llama3));
  if (longrope) return plain.map((f, i) => f / longrope.factors[i]);
  if (linear) return plain.map((f) => f / linear.factor);
  if (!yarn) return plain;
  const { factor, originalMaxPositionEmbeddings: length, betaFast = 32, betaSlow = 1 } = yarn;
  // The (fractional) pair that makes the given number of turns within the original context.
  const findPair = (turns: number) => (dim * Math.log(length / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const low = Math.max(Math.floor(findPair(betaFast)), 0);
  const high = Math.min(Math.ceil(findPair(betaSlow)), dim - 1);
  const width = high === low ? 0.001 : high - low; // as the published code: no division by zero
  return plain.map((f, i) => {
    const ramp = Math.min(Math.max((i - low) / width, 0), 1);
    return (f / factor) * ramp + f * (1 - ramp);
  });
}

/** Divides long waves, keeps short ones, and blends those between. */
function stretchLlama3(f: number, { factor, originalMaxPositionEmbeddings: length, ...turns }: Llama3Config): number {
  const made = (length * f) / (2 * Math.PI); // turns within the original context
  const { lowFreqFactor: low, highFreqFactor: high } = turns;
  const share = Math.min(Math.max((made - low) / (high - low), 0), 1);
  return (1 - share) * (f / factor) + share * f;
}

/** Returns what cos and sin are multiplied by: 1 in YaRN where mscale equals mscaleAllDim. */
function magnitudeFor({ yarn, longrope }: RopeConfig): number {
  if (longrope) return longrope.magnitude;
  if (!yarn) return 1;
  return yarnMagnitude(yarn.factor, yarn.mscale ?? 1) / yarnMagnitude(yarn.factor, yarn.mscaleAllDim ?? 0);
}

/** cos and sin of positions 0 to length - 1, times the magnitude of YaRN or LongRoPE. */
export function ropeTable(config: RopeConfig & { readonly length: number }): RopeTable {
  const { length } = config;
  const frequencies = inverseFrequencies(config);
  const pairs = frequencies.length;
  const magnitude = magnitudeFor(config);
  const cos = new Float32Array(length * pairs);
  const sin = new Float32Array(length * pairs);
  for (let position = 0; position < length; position++)
    for (let i = 0; i < pairs; i++) {
      const angle = position * frequencies[i];
      cos[position * pairs + i] = Math.cos(angle) * magnitude;
      sin[position * pairs + i] = Math.sin(angle) * magnitude;
    }
  return { cos, sin };
}

// The rotary embedding in GGUF: keys of rope.scaling, and the factors of Llama 3 and LongRoPE, which are tensors.
//
// llama.cpp divides each frequency by its entry of rope_freqs.weight. Llama 3's entries follow from factor, low and
// high frequency factor (1 and 4 in every release) and the original context, which are found again from them; others
// are refused. YaRN's factor on cos and sin is 0.1 ln(factor) + 1, as in transformers. Sources: llama.cpp's
// llama-model.cpp, llama-context.cpp, rope_yarn in ops.cpp, and its conversion of LlamaForCausalLM.
import { inverseFrequencies } from '../../kernels/index.ts';
import { describeBlocks, type GgufKeyRow } from '../architecture/index.ts';
import type { GqaConfig, ModelConfig } from '../config.ts';
import { showValue } from '../errors.ts';
import { CheckpointError } from './errors.ts';
import type { GgufValue } from './gguf.ts';

export const ropeFreqs = 'rope_freqs.weight';
const longFactors = 'rope_factors_long.weight';
const shortFactors = 'rope_factors_short.weight';

/** Tensors that hold factors of frequencies. */
export const ropeTensorNames: readonly string[] = [ropeFreqs, longFactors, shortFactors];

/** Their values, by name. */
export type RopeTensorValues = ReadonlyMap<string, Float32Array>;

export const yarnKeys: readonly GgufKeyRow[] = [
  ['rope.scaling.factor', 'factor', 'f32'],
  ['rope.scaling.original_context_length', 'original_max_position_embeddings', 'u32'],
  ['rope.scaling.yarn_beta_fast', 'beta_fast', 'f32', 32],
  ['rope.scaling.yarn_beta_slow', 'beta_slow', 'f32', 1],
];

/** What to do about a file whose key is not computed. */
export const unread = 'what it says is not computed: use another model, or its safetensors';

type Scaling = ModelConfig['ropeScaling'];
type Llama3 = Extract<Scaling, { type: 'llama3' }>;
type LongRope = Extract<Scaling, { type: 'longrope' }>;

/** Returns the divisor of each pair's frequency: [headDim / 2]. */
export function frequencyFactors(headDim: number, ropeTheta: number, llama3: Llama3): Float32Array {
  const plain = inverseFrequencies({ dim: headDim, base: ropeTheta });
  const scaled = inverseFrequencies({ dim: headDim, base: ropeTheta, llama3 });
  return Float32Array.from(plain, (f, i) => f / scaled[i]);
}

/** Finds the scaling whose factors these are; null where all are 1. Throws CheckpointError where there is none. */
export function findLlama3(factors: Float32Array, headDim: number, ropeTheta: number, file: string): Llama3 | null {
  if (factors.length === headDim / 2 && factors.every((factor) => factor === 1)) return null;
  const factor = Number(factors.reduce((most, each) => Math.max(most, each), 1).toPrecision(7));
  for (let length = 2; length <= 2 ** 24; length *= 2) {
    const shape = { factor, originalMaxPositionEmbeddings: length, lowFreqFactor: 1, highFreqFactor: 4 };
    const llama3: Llama3 = { type: 'llama3', ...shape };
    const own = frequencyFactors(headDim, ropeTheta, llama3);
    const isSame = own.length === factors.length && own.every((x, i) => Math.abs(x - factors[i]) <= 1e-5 * x);
    if (isSame) return llama3;
  }
  throw new CheckpointError(
    file,
    `${ropeFreqs}: factors that are not Llama 3's, received ${showValue(factors)}`,
    'convert the model from its safetensors',
  );
}

interface RopeKeys {
  /** The value of a key of the architecture. */
  readonly find: (key: string) => GgufValue | undefined;
  readonly number: (key: string) => number;
  readonly refuse: (key: string, expected: string, remedy: string) => never;
}

const yarnDefaults = [
  ['rope.scaling.yarn_beta_fast', 'beta_fast', 32],
  ['rope.scaling.yarn_beta_slow', 'beta_slow', 1],
] as const;

/** Converts f32 metadata back to the decimal that it was written from. */
export const decimal = (x: number) => Number(x.toPrecision(7));

/** Reads rope.scaling.* as config.json's rope_scaling, without mscale. */
export function readRopeScaling({ find, number, refuse }: RopeKeys): Record<string, unknown> | null {
  for (const key of ['attn_factor', 'yarn_attn_factor', 'yarn_ext_factor'].map((name) => `rope.scaling.${name}`))
    if (![undefined, 1].includes(find(key) as number | undefined)) refuse(key, '1', unread);
  find('rope.scaling.finetuned'); // says how the model was made
  const key = find('rope.scaling.factor') === undefined ? 'rope.scale_linear' : 'rope.scaling.factor';
  const factor = find(key) === undefined ? 1 : decimal(number(key)) || 1; // 0: none, as in llama.cpp
  const original = 'rope.scaling.original_context_length';
  const type = find('rope.scaling.type') ?? 'linear';
  const length = find(original) === undefined ? number('context_length') : number(original);
  const betas = yarnDefaults.map(([own, field, otherwise]) => {
    return [field, find(own) === undefined ? otherwise : decimal(number(own))] as const;
  });
  if (type === 'none') return null;
  if (type === 'linear') return factor === 1 ? null : { type, factor };
  if (type !== 'yarn') return refuse('rope.scaling.type', 'none, linear or yarn', unread);
  return { type, factor, original_max_position_embeddings: length, ...Object.fromEntries(betas) };
}

/** What LongRoPE multiplies cos and sin by, where the configuration does not say it. */
function defaultFactor(factor: number, original: number): number {
  return factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
}

/** What LongRoPE multiplies cos and sin by. `context`: max_position_embeddings. */
export function attentionFactor(scaling: LongRope, context: number): number {
  const { originalMaxPositionEmbeddings: original, factor = context / original } = scaling;
  return scaling.attentionFactor ?? defaultFactor(factor, original);
}

/** Reads LongRoPE, which is two tensors and the keys of its start and magnitude; null where there are none. */
export function readLongRope(keys: RopeKeys, factors: RopeTensorValues): Record<string, unknown> | null {
  const [long, short] = [factors.get(longFactors), factors.get(shortFactors)];
  if (!long || !short) return null;
  const type = keys.find('rope.scaling.type') ?? 'longrope';
  if (type !== 'longrope') keys.refuse('rope.scaling.type', `longrope beside ${longFactors}`, unread);
  const [context, original] = ['context_length', 'rope.scaling.original_context_length'].map(keys.number);
  const magnitude = keys.find('rope.scaling.attn_factor') === undefined ? 1 : keys.number('rope.scaling.attn_factor');
  const isDefault = decimal(magnitude) === decimal(Math.fround(defaultFactor(context / original, original)));
  return {
    type: 'longrope',
    short_factor: Array.from(short, decimal),
    long_factor: Array.from(long, decimal),
    original_max_position_embeddings: original,
    ...(!isDefault && { attention_factor: decimal(magnitude) }),
  };
}

/** Returns the factors of frequencies, which have no keys. */
export function ropeValues(config: GqaConfig): RopeTensorValues {
  const { headDim, ropeTheta, ropeScaling: scaling } = config;
  if (scaling?.type === 'llama3') return new Map([[ropeFreqs, frequencyFactors(headDim, ropeTheta, scaling)]]);
  if (scaling?.type !== 'longrope') return new Map();
  const list = (factors: readonly number[]) =>
    Float32Array.from(factors.slice(0, describeBlocks(config).rotaryDim / 2));
  return new Map([
    [longFactors, list(scaling.longFactor)],
    [shortFactors, list(scaling.shortFactor)],
  ]);
}

/** Whether GGUF can say a scaling of a dense model: YaRN has the magnitude of llama.cpp there. */
export function isWritable({ ropeScaling: scaling }: GqaConfig): boolean {
  return scaling?.type !== 'yarn' || (scaling.mscale === 1 && scaling.mscaleAllDim === 0);
}

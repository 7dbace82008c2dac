// Grouped-query attention as GGUF's keys and back, for every family of architecture/ that llama.cpp has a name for.
//
// A family's own keys and what llama.cpp computes without a key are data of its declaration. Contract: what is written
// is read back and compared, so that a model of which GGUF cannot say everything is refused by the name of the block.
// Sources: llama.cpp's src/llama-arch.cpp, src/llama-model.cpp, and conversion scripts.
import {
  type Architecture,
  architectureFor,
  describeBlocks,
  type GqaConfig,
  type RopeScaling,
  type RopeSpec,
} from '../architecture/index.ts';
import type { ModelConfig } from '../config.ts';
import { listParameters } from '../parameters.ts';
import { CheckpointError } from './errors.ts';
import { f32, type GgufKeys, type KeyReader, text, toKeys, u32 } from './gguf-key-reader.ts';
import {
  attentionFactor,
  decimal,
  findLlama3,
  isWritable,
  type RopeTensorValues,
  readLongRope,
  readRopeScaling,
  ropeFreqs,
  unread,
  yarnKeys,
} from './gguf-rope.ts';

const gating = { softmax: 1, sigmoid: 2 } as const;
const slidingWindow = 'attention.sliding_window';
const originalContext = 'rope.scaling.original_context_length';

const saysWindow = ({ gguf }: Architecture) => (gguf.keys ?? []).some(([key]) => key === slidingWindow);

function toScalingKeys(config: GqaConfig, fields: Readonly<Record<string, unknown>>): GgufKeys {
  const { ropeScaling: scaling } = config;
  if (scaling === null || scaling.type === 'llama3') return {}; // llama3 is a tensor: rope_freqs.weight
  if (scaling.type === 'longrope')
    return {
      'rope.scaling.original_context_length': u32(scaling.originalMaxPositionEmbeddings),
      'rope.scaling.attn_factor': f32(attentionFactor(scaling, config.maxPositionEmbeddings)),
    };
  return {
    'rope.scaling.type': text(scaling.type),
    ...toKeys(yarnKeys, fields.rope_scaling as Record<string, unknown>),
  };
}

/** Returns the context of a file: all of it where windows have a key, else what the shortest window covers. */
function sayableContext(config: GqaConfig): number {
  const { maxPositionEmbeddings: context, numHiddenLayers: depth } = config;
  const { window } = describeBlocks(config);
  if (saysWindow(architectureFor(config))) return context;
  return Math.min(context, ...Array.from({ length: depth }, (_, layer) => window(layer) ?? context));
}

export function toGqaKeys(config: GqaConfig, fields: Readonly<Record<string, unknown>>): GgufKeys {
  if (!isWritable(config))
    throw new CheckpointError('gguf', 'rope_scaling with mscale has no keys in GGUF', 'keep it in safetensors');
  const family = architectureFor(config);
  const { rotaryDim, experts, mtpModules } = describeBlocks(config);
  return {
    block_count: u32(config.numHiddenLayers + mtpModules),
    context_length: u32(sayableContext(config)),
    'attention.head_count_kv': u32(config.numKeyValueHeads),
    'attention.key_length': u32(config.headDim),
    'attention.value_length': u32(config.headDim),
    'rope.dimension_count': u32(rotaryDim),
    ...toKeys(family.gguf.keys ?? [], fields),
    ...(experts && { expert_gating_func: u32(gating[experts.router.scoringFunc]) }),
    ...toScalingKeys(config, fields),
  };
}

/** Returns the factor of config.json by which so many of a head's elements turn. */
function rotaryFactor(headDim: number, rotaryDim: number): number {
  const factor = rotaryDim / headDim;
  return Math.floor(headDim * factor) === rotaryDim ? factor : (rotaryDim + 0.5) / headDim;
}

function readScaling(
  keys: KeyReader,
  headDim: number,
  ropeTheta: number,
  factors: RopeTensorValues,
  file: string,
): object | null {
  const long = readLongRope(keys, factors);
  if (long !== null) return long;
  const scaling = readRopeScaling(keys);
  const freqs = factors.get(ropeFreqs);
  const llama3 = freqs && findLlama3(freqs, headDim, ropeTheta, file);
  if (!llama3) return scaling;
  if (scaling) keys.refuse('rope.scaling.type', `none beside ${ropeFreqs}`, unread);
  return {
    type: 'llama3',
    factor: llama3.factor,
    original_max_position_embeddings: llama3.originalMaxPositionEmbeddings,
    low_freq_factor: llama3.lowFreqFactor,
    high_freq_factor: llama3.highFreqFactor,
  };
}

export interface GgufContents {
  /** The names of the file's tensors. */
  readonly names: ReadonlySet<string>;
  /** The values of those that change frequencies. */
  readonly factors: RopeTensorValues;
}

/** Returns the fields of config.json that the keys of a family mean. `common`: those of all families. */
export function readGqaFields(
  keys: KeyReader,
  family: Architecture,
  common: Readonly<Record<string, unknown>>,
  { names, factors }: GgufContents,
  file: string,
): object {
  const { shape, gguf } = family;
  const heads = keys.number('attention.head_count');
  const hasWidth = keys.find('attention.key_length') !== undefined;
  const head_dim = hasWidth ? keys.number('attention.key_length') : keys.number('embedding_length') / heads;
  keys.expect('attention.value_length', head_dim);
  if (!('partialRotaryFactor' in shape)) keys.expect('rope.dimension_count', head_dim);
  const turned = keys.find('rope.dimension_count') === undefined ? head_dim : keys.number('rope.dimension_count');
  const own = keys.fields(gguf.keys ?? []);
  if (own.sliding_window === 0) own.sliding_window = null;
  if (!saysWindow(family)) expectNoWindow(keys);
  const depth = keys.number('block_count') - Number(own.num_nextn_predict_layers ?? 0);
  const fields = { ...common, num_hidden_layers: depth, head_dim } as Record<string, number>;
  return {
    ...fields,
    model_type: family.modelType,
    num_key_value_heads: keys.find('attention.head_count_kv') ?? heads,
    ...('partialRotaryFactor' in shape && { partial_rotary_factor: rotaryFactor(head_dim, turned) }),
    ...('attentionBias' in shape && { attention_bias: names.has('blk.0.attn_q.bias') }),
    ...('useQkNorm' in shape && { use_qk_norm: names.has('blk.0.attn_q_norm.weight') }),
    ...('originalMaxPositionEmbeddings' in shape &&
      keys.find(originalContext) !== undefined && { original_max_position_embeddings: keys.number(originalContext) }),
    ...own,
    ...gguf.implied?.(fields),
    rope_scaling: readScaling(keys, head_dim, Number(common.rope_theta), factors, file),
  };
}

/** Refuses a window that would hide keys, where llama.cpp has none. */
function expectNoWindow(keys: KeyReader): void {
  const context = keys.number('context_length');
  const window = keys.find(slidingWindow) ?? 0;
  if (typeof window !== 'number' || (window > 0 && window < context))
    keys.refuse(slidingWindow, `0, or at least context_length = ${context}`, unread);
}

/** Refuses a file whose experts are scored in another way than the family's. */
export function expectScores(keys: KeyReader, config: ModelConfig): void {
  const { experts } = describeBlocks(config);
  if (experts) keys.expect('expert_gating_func', gating[experts.router.scoringFunc]);
}

function describeScaling(scaling: RopeScaling | null, context: number): object | null {
  if (scaling?.type !== 'longrope') return scaling;
  const { shortFactor, longFactor, originalMaxPositionEmbeddings: original } = scaling;
  return { shortFactor, longFactor, original, magnitude: attentionFactor(scaling, context) };
}

/** What a configuration computes within the context of its file, as comparable data. */
function describeModel(config: GqaConfig): Record<string, unknown> {
  const { ropes, rope, window, hasExperts, gqa, ...rest } = describeBlocks(config);
  const context = sayableContext(config);
  const describeRope = (spec: RopeSpec | null) =>
    spec && { ...spec, scaling: describeScaling(spec.scaling, config.maxPositionEmbeddings) };
  const each = <T>(f: (layer: number) => T) => Array.from({ length: config.numHiddenLayers }, (_, i) => f(i));
  return {
    context,
    rms_norm_eps: config.rmsNormEps,
    attention: gqa,
    rope: { global: describeRope(ropes.global), local: describeRope(ropes.local) },
    rope_of_layers: each(rope),
    window_of_layers: each((layer) => {
      const own = window(layer);
      return own !== null && own < context ? own : null;
    }),
    layers_with_experts: each((layer) => rest.experts !== null && hasExperts(layer)),
    ...rest,
    tensors: listParameters(config).map(({ name, shape }) => [name, shape]),
  };
}

/** Lists the values in an object by their path; arrays are values. */
function listLeaves(value: unknown, path: string): [path: string, value: unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[path, value]];
  return Object.entries(value).flatMap(([name, own]) => listLeaves(own, path === '' ? name : `${path}.${name}`));
}

/** Throws CheckpointError where what was written means another model. */
export function expectSame(config: GqaConfig, again: GqaConfig, architecture: string): void {
  const show = (value: unknown) =>
    JSON.stringify(value, (_, own) => (typeof own === 'number' ? decimal(own) : own)) ?? 'nothing';
  const read = new Map(listLeaves(describeModel(again), ''));
  for (const [name, value] of listLeaves(describeModel(config), '')) {
    const [own, other] = [show(value), show(read.get(name))];
    if (own === other) continue;
    throw new CheckpointError(
      'gguf',
      `${config.modelType}: ${name} = ${own.slice(0, 120)} cannot be said in GGUF, where ${architecture} has ` +
        other.slice(0, 120),
      'keep it in safetensors',
    );
  }
}

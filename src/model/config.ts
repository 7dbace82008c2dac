// A model's configuration: Hugging Face's config.json in camelCase, checked, with Hugging Face's defaults.
//
// Two families. DeepseekConfig (deepseek_v2, deepseek_v3): MLA and mixture of experts. DenseConfig (llama, qwen2): GQA.
// Contract: readConfig(writeConfig(c)) equals c; unused fields are kept in `extra` and written back. Refused: what
// would silently compute something else (another activation, another rope scaling, sliding windows). Sources:
// configuration_deepseek_v3.py and its siblings in transformers; facts of the released checkpoints.
// num_nextn_predict_layers defaults to 0, because a file that does not name it has no such tensors.
import { z } from 'zod';
import { findUncomputedField } from './config-fields.ts';
import { ModelError, type Refusal, showValue } from './errors.ts';

/** Larger widths, vocabularies and contexts are mistakes: the tables of one of 2^24 positions take gigabytes. */
const maxCount = 2 ** 24;
const maxLayers = 1024;
/** Experts of all layers together; DeepSeek-V3 has 14,848. */
const maxExperts = 2 ** 17;

const count = z.number().int().positive().max(maxCount);
const atLeastZero = z.number().int().nonnegative().max(maxCount);
const layers = z.number().int().positive().max(maxLayers);

const yarn = z.strictObject({
  type: z.literal('yarn'),
  factor: z.number().positive(),
  originalMaxPositionEmbeddings: count,
  betaFast: z.number().positive().default(32),
  betaSlow: z.number().positive().default(1),
  mscale: z.number().nonnegative().default(1),
  mscaleAllDim: z.number().nonnegative().default(0),
});

const llama3 = z.strictObject({
  type: z.literal('llama3'),
  factor: z.number().positive(),
  originalMaxPositionEmbeddings: count,
  lowFreqFactor: z.number().positive(),
  highFreqFactor: z.number().positive(),
});

const linear = z.strictObject({ type: z.literal('linear'), factor: z.number().positive() });

const tokenId = z.union([atLeastZero, z.array(atLeastZero)]).nullable();

const common = {
  hiddenAct: z.literal('silu').default('silu'),
  initializerRange: z.number().positive().default(0.02),
  ropeTheta: z.number().positive().default(10000),
  tieWordEmbeddings: z.boolean().default(false),
  bosTokenId: tokenId.default(null),
  eosTokenId: tokenId.default(null),
  extra: z.record(z.string(), z.unknown()).default({}),
};

/** Returns a schema shape with Hugging Face's defaults for some of its fields. */
function withDefaults<Shape extends Record<string, z.ZodType>, Values extends Partial<z.input<z.ZodObject<Shape>>>>(
  shape: Shape,
  values: Values,
) {
  const given: Readonly<Record<string, unknown>> = values;
  const filled = Object.entries(shape).map(([name, type]) => [name, name in given ? type.default(given[name]) : type]);
  return Object.fromEntries(filled) as {
    [Name in keyof Shape]: Name extends keyof Values ? z.ZodDefault<Shape[Name]> : Shape[Name];
  };
}

const deepseek = {
  ...common,
  vocabSize: count,
  hiddenSize: count,
  intermediateSize: count,
  moeIntermediateSize: count,
  numHiddenLayers: layers,
  /** D: the number of MTP modules after the main layers */
  numNextnPredictLayers: z.number().int().nonnegative().max(maxLayers).default(0),
  numAttentionHeads: count,
  nSharedExperts: atLeastZero.nullable(),
  nRoutedExperts: count,
  numExpertsPerTok: count,
  routedScalingFactor: z.number().positive(),
  kvLoraRank: count.default(512),
  /** null: queries are not compressed */
  qLoraRank: count.nullable().default(1536),
  qkNopeHeadDim: count.default(128),
  qkRopeHeadDim: count.default(64),
  vHeadDim: count.default(128),
  nGroup: count.nullable(),
  topkGroup: count.nullable(),
  firstKDenseReplace: atLeastZero,
  moeLayerFreq: z.literal(1).default(1),
  normTopkProb: z.boolean(),
  scoringFunc: z.enum(['sigmoid', 'softmax']),
  topkMethod: z.enum(['noaux_tc', 'group_limited_greedy', 'greedy']),
  maxPositionEmbeddings: count,
  rmsNormEps: z.number().positive().default(1e-6),
  ropeScaling: yarn.nullable().default(null),
  ropeInterleave: z.literal(true).default(true),
  attentionBias: z.literal(false).default(false),
};

const deepseekV3 = z.object({
  ...withDefaults(deepseek, {
    vocabSize: 129280,
    bosTokenId: 0,
    eosTokenId: 1,
    maxPositionEmbeddings: 4096,
    hiddenSize: 7168,
    intermediateSize: 18432,
    moeIntermediateSize: 2048,
    numHiddenLayers: 61,
    numAttentionHeads: 128,
    firstKDenseReplace: 3,
    nSharedExperts: 1,
    nRoutedExperts: 256,
    numExpertsPerTok: 8,
    nGroup: 8,
    topkGroup: 4,
    scoringFunc: 'sigmoid',
    topkMethod: 'noaux_tc',
    normTopkProb: true,
    routedScalingFactor: 2.5,
  }),
  modelType: z.literal('deepseek_v3'),
});

const deepseekV2 = z.object({
  ...withDefaults(deepseek, {
    vocabSize: 102400,
    bosTokenId: 1,
    eosTokenId: 2,
    maxPositionEmbeddings: 2048,
    hiddenSize: 4096,
    intermediateSize: 11008,
    moeIntermediateSize: 1407,
    numHiddenLayers: 32,
    numAttentionHeads: 32,
    firstKDenseReplace: 0,
    nSharedExperts: 2,
    nRoutedExperts: 64,
    nGroup: null,
    topkGroup: null,
    scoringFunc: 'softmax',
    topkMethod: 'greedy',
    normTopkProb: false,
    routedScalingFactor: 1,
  }),
  modelType: z.literal('deepseek_v2'),
});

const dense = {
  ...common,
  vocabSize: count,
  hiddenSize: count.default(4096),
  intermediateSize: count,
  numHiddenLayers: layers.default(32),
  numAttentionHeads: count.default(32),
  numKeyValueHeads: count.optional(),
  headDim: count.optional(),
  maxPositionEmbeddings: count,
  rmsNormEps: z.number().positive().default(1e-6),
  ropeScaling: z.discriminatedUnion('type', [yarn, llama3, linear]).nullable().default(null),
};

const llama = z.object({
  ...withDefaults(dense, { vocabSize: 32000, intermediateSize: 11008, maxPositionEmbeddings: 2048 }),
  modelType: z.literal('llama'),
  bosTokenId: tokenId.default(1),
  eosTokenId: tokenId.default(2),
  /** whether q, k, v and o have biases */
  attentionBias: z.boolean().default(false),
  mlpBias: z.literal(false).default(false),
});

const qwen2 = z.object({
  ...withDefaults(dense, { vocabSize: 151936, intermediateSize: 22016, maxPositionEmbeddings: 32768 }),
  modelType: z.literal('qwen2'),
  numKeyValueHeads: count.default(32),
  useSlidingWindow: z.literal(false).default(false),
});

const anyConfig = z.discriminatedUnion('modelType', [deepseekV3, deepseekV2, llama, qwen2]);

export type DeepseekConfig = z.infer<typeof deepseekV3> | z.infer<typeof deepseekV2>;
type WithDerivedFields<T> = T & { numKeyValueHeads: number; headDim: number };
export type DenseConfig = WithDerivedFields<z.infer<typeof llama>> | WithDerivedFields<z.infer<typeof qwen2>>;
export type ModelConfig = DeepseekConfig | DenseConfig;

/** The two ways to compute MLA (mla.ts); GQA gives the same bits in both. */
export type AttentionForm = 'expanded' | 'absorbed';

export function isDeepseek(config: ModelConfig): config is DeepseekConfig {
  return config.modelType === 'deepseek_v3' || config.modelType === 'deepseek_v2';
}

const camel = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function toCamelCase(json: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(json).map(([name, value]) => [camel(name), value]));
}

/** Drops nulls where null has no meaning: Hugging Face writes them for defaults. */
function withoutNulls(fields: object, shape: Readonly<Record<string, z.ZodType>>): Record<string, unknown> {
  const stays = ([name, value]: [string, unknown]) => value !== null || shape[name]?.safeParse(null).success === true;
  return Object.fromEntries(Object.entries(fields).filter(stays));
}

/** Reads `rope_scaling`, or the newer `rope_parameters`, which has rope_theta too. */
function readRope(json: Record<string, unknown>): Record<string, unknown> {
  const { ropeScaling, ropeParameters, ...rest } = json;
  const given = ropeParameters ?? ropeScaling;
  if (given === null || given === undefined) return rest;
  if (typeof given !== 'object') return { ...rest, ropeScaling: given };
  const { ropeTheta, ...fields } = withoutNulls(toCamelCase(given), {});
  const { ropeType, type = ropeType, partialRotaryFactor = 1, ...scaling } = fields;
  const theta = ropeTheta === undefined ? {} : { ropeTheta };
  const isDefault = type === undefined || type === 'default';
  const isPlain = isDefault && Object.keys(scaling).length === 0;
  const isSame = partialRotaryFactor === 1 && (ropeType === undefined || ropeType === type);
  return { ...rest, ...theta, ropeScaling: !isSame ? fields : isPlain ? null : { type, ...scaling } };
}

/** Finds the first field that contradicts another. */
function findInconsistency(config: ModelConfig): Refusal | null {
  return isDeepseek(config) ? findMoeInconsistency(config) : findGqaInconsistency(config);
}

function findGqaInconsistency(config: DenseConfig): Refusal | null {
  const { numAttentionHeads: heads, numKeyValueHeads: kv, headDim, ropeScaling } = config;
  if (heads % kv !== 0) return ['num_key_value_heads', `a divisor of num_attention_heads = ${heads}`, kv];
  if (headDim % 2 !== 0 || headDim === 0) return ['head_dim', 'an even number', headDim];
  if (ropeScaling?.type !== 'yarn') return null;
  const { mscale, mscaleAllDim } = ropeScaling; // transformers takes the two together, or neither
  if (mscaleAllDim === 0 && mscale !== 1) return ['rope_scaling.mscale', '1, or mscale_all_dim beside it', mscale];
  return mscale === 0 ? ['rope_scaling.mscale', 'a positive number', mscale] : null;
}

function findMoeInconsistency(config: DeepseekConfig): Refusal | null {
  const { nRoutedExperts: experts, numExpertsPerTok: top, numHiddenLayers: depth, qkRopeHeadDim } = config;
  if (experts * depth > maxExperts)
    return ['n_routed_experts', `at most ${Math.floor(maxExperts / depth)} in each of ${depth} layers`, experts];
  const groups = config.nGroup ?? 1;
  const chosen = config.topkGroup ?? groups;
  if (qkRopeHeadDim % 2 !== 0) return ['qk_rope_head_dim', 'an even number', qkRopeHeadDim];
  if (config.firstKDenseReplace > config.numHiddenLayers)
    return [
      'first_k_dense_replace',
      `at most num_hidden_layers = ${config.numHiddenLayers}`,
      config.firstKDenseReplace,
    ];
  if (config.topkMethod === 'greedy') return top > experts ? ['num_experts_per_tok', `at most ${experts}`, top] : null;
  if (experts % groups !== 0) return ['n_group', `a divisor of n_routed_experts = ${experts}`, groups];
  if (chosen > groups) return ['topk_group', `at most n_group = ${groups}`, chosen];
  if (top > (experts / groups) * chosen)
    return ['num_experts_per_tok', `at most the ${(experts / groups) * chosen} experts of topk_group groups`, top];
  return null;
}

function refusal(
  source: string,
  [field, expected, received, remedy = 'correct the configuration']: Refusal,
): ModelError {
  return new ModelError(source, `${field}: expected ${expected}, received ${showValue(received)}`, remedy);
}

function toModelError(error: z.ZodError, json: unknown, source: string): ModelError {
  const issue = error.issues[0];
  const unknownKey = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const path = [...issue.path, ...unknownKey];
  const field = path.map((part) => snake(String(part))).join('.');
  let received: unknown = json;
  for (const part of path) received = (received as Record<PropertyKey, unknown> | undefined)?.[part];
  if (unknownKey.length > 0) return refusal(source, [field, 'nothing, because it would not be computed', received]);
  if (field === 'model_type')
    return refusal(source, ['model_type', 'one of deepseek_v3, deepseek_v2, llama, qwen2', received]);
  const expected = issue.message
    .replace(/^.*?expected /i, '')
    .replace(/^number to be <=/, 'at most ')
    .replace(/, received .*$/, '');
  return refusal(source, [field, expected, received]);
}

/**
 * Reads config.json's object. `source` names it in errors (a path, a preset). Throws ModelError naming the field, what
 * was expected and what was received.
 */
export function readConfig(json: unknown, source = 'config.json'): ModelConfig {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new ModelError(source, 'expected a JSON object', 'pass the contents of a Hugging Face config.json');
  const fields = readRope(toCamelCase(json));
  const shape = anyConfig.options.find(({ shape }) => shape.modelType.value === fields.modelType)?.shape ?? {};
  const isKnown = (name: string) => Object.hasOwn(shape, name);
  const known = Object.fromEntries(Object.entries(fields).filter(([name]) => isKnown(name)));
  const isExtra = ([name]: [string, unknown]) => !isKnown(camel(name)) && name !== 'rope_parameters';
  const extra = Object.fromEntries(Object.entries(json).filter(isExtra));
  const parsed = anyConfig.safeParse({ modelType: fields.modelType, ...withoutNulls(known, shape), extra });
  if (!parsed.success) throw toModelError(parsed.error, fields, source);
  const config = withDerivedFields(parsed.data);
  const found = findInconsistency(config) ?? findUncomputedField(config);
  if (found) throw refusal(source, found);
  return config;
}

function withDerivedFields(config: z.infer<typeof anyConfig>): ModelConfig {
  if (config.modelType === 'deepseek_v3' || config.modelType === 'deepseek_v2') return config;
  const { numAttentionHeads, hiddenSize, numKeyValueHeads = numAttentionHeads } = config;
  return { ...config, numKeyValueHeads, headDim: config.headDim ?? Math.floor(hiddenSize / numAttentionHeads) };
}

const architectures = {
  deepseek_v3: 'DeepseekV3ForCausalLM',
  deepseek_v2: 'DeepseekV2ForCausalLM',
  llama: 'LlamaForCausalLM',
  qwen2: 'Qwen2ForCausalLM',
} as const;

/** Returns the object of a config.json that Hugging Face's libraries read. */
export function writeConfig(config: ModelConfig): Record<string, unknown> {
  const { extra, ropeScaling, ...fields } = config;
  const own = Object.entries(fields).map(([name, value]) => [snake(name), value]);
  const scaling = ropeScaling && Object.fromEntries(Object.entries(ropeScaling).map(([k, v]) => [snake(k), v]));
  const heads = isDeepseek(config) ? { num_key_value_heads: config.numAttentionHeads } : {};
  const architecture = { architectures: [architectures[config.modelType]] };
  return { ...architecture, ...heads, ...Object.fromEntries(own), rope_scaling: scaling, ...extra };
}

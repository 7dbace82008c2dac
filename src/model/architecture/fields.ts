// The fields of config.json that architectures share, in camelCase, with their limits.
//
// withDefaults gives some of them Hugging Face's defaults; a family adds its own. What is no field of a family is kept
// in `extra` and judged by config-fields.ts.
import { z } from 'zod';

/** Larger widths, vocabularies and contexts are mistakes: the tables of one of 2^24 positions take gigabytes. */
const maxCount = 2 ** 24;
export const maxLayers = 1024;

export const count = z.number().int().positive().max(maxCount);
export const atLeastZero = z.number().int().nonnegative().max(maxCount);
export const layers = z.number().int().positive().max(maxLayers);
/** D: MTP modules after the main layers. 0 where no field names them: such files have no such tensors. */
export const mtpModules = z.number().int().nonnegative().max(maxLayers).default(0);

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

const factors = z.array(z.number().positive()).max(4096);

/** LongRoPE: a factor of each pair for short contexts and for long ones (rope.ts). */
const longrope = z.strictObject({
  type: z.literal('longrope'),
  shortFactor: factors,
  longFactor: factors,
  /** The longest context that is short. */
  originalMaxPositionEmbeddings: count,
  /** @default maxPositionEmbeddings over the original ones */
  factor: z.number().positive().optional(),
  /** What cos and sin are multiplied by. @default sqrt(1 + ln(factor) / ln(original)) */
  attentionFactor: z.number().positive().optional(),
});

const tokenId = z.union([atLeastZero, z.array(atLeastZero)]).nullable();

const common = {
  hiddenAct: z.literal('silu').default('silu'),
  initializerRange: z.number().positive().default(0.02),
  ropeTheta: z.number().positive().default(10000),
  tieWordEmbeddings: z.boolean().default(false),
  bosTokenId: tokenId.default(null),
  eosTokenId: tokenId.default(null),
  vocabSize: count,
  hiddenSize: count,
  intermediateSize: count,
  numHiddenLayers: layers,
  numAttentionHeads: count,
  maxPositionEmbeddings: count,
  rmsNormEps: z.number().positive().default(1e-6),
  extra: z.record(z.string(), z.unknown()).default({}),
};

/** Grouped-query attention: Llama and its relatives. */
export const gqaFields = {
  ...common,
  /** null or absent: numAttentionHeads */
  numKeyValueHeads: count.optional(),
  /** null or absent: hiddenSize / numAttentionHeads */
  headDim: count.optional(),
  ropeScaling: z.discriminatedUnion('type', [yarn, llama3, linear, longrope]).nullable().default(null),
};

/** A mixture of experts as DeepSeek names it. */
export const expertFields = {
  moeIntermediateSize: count,
  nSharedExperts: atLeastZero.nullable(),
  nRoutedExperts: count,
  numExpertsPerTok: count,
  routedScalingFactor: z.number().positive(),
  nGroup: count.nullable(),
  topkGroup: count.nullable(),
  firstKDenseReplace: atLeastZero,
  normTopkProb: z.boolean(),
  numNextnPredictLayers: mtpModules,
};

/** Multi-head latent attention with a mixture of experts: DeepSeek and its relatives. */
export const mlaFields = {
  ...common,
  ...expertFields,
  kvLoraRank: count.default(512),
  /** null: queries are not compressed */
  qLoraRank: count.nullable().default(1536),
  qkNopeHeadDim: count.default(128),
  qkRopeHeadDim: count.default(64),
  vHeadDim: count.default(128),
  moeLayerFreq: z.literal(1).default(1),
  scoringFunc: z.enum(['sigmoid', 'softmax']),
  topkMethod: z.enum(['noaux_tc', 'group_limited_greedy', 'greedy']),
  ropeScaling: yarn.nullable().default(null),
  ropeInterleave: z.literal(true).default(true),
  attentionBias: z.literal(false).default(false),
};

/** Returns fields with defaults for some of them. */
export function withDefaults<
  Shape extends Record<string, z.ZodType>,
  Values extends Partial<z.input<z.ZodObject<Shape>>>,
>(shape: Shape, values: Values) {
  const given: Readonly<Record<string, unknown>> = values;
  const filled = Object.entries(shape).map(([name, type]) => [name, name in given ? type.default(given[name]) : type]);
  return Object.fromEntries(filled) as {
    [Name in keyof Shape]: Name extends keyof Values ? z.ZodDefault<Shape[Name]> : Shape[Name];
  };
}

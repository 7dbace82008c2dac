// The cost of a configuration: parameters, FLOPs, bytes. Pure formulas; nothing is measured here.
//
// Counting rules, so that the published figures come out: the correction bias counts; a token is active in
// numExpertsPerTok of the routed experts; a multiply-add is 2 FLOPs; training is 3 forward passes; causal
// attention scores over T keys cost T / 2 on average; embedding look-ups cost nothing, the head costs a GEMM.
// Sources: DeepSeek-V3 report section 2 and 4.1; Insights into DeepSeek-V3 (arXiv 2505.09343), table 4.
import { describeBlocks } from './architecture/index.ts';
import { type AttentionForm, isMla, type MlaConfig, type ModelConfig } from './config.ts';
import { countElements, isFp8, listParameters, type Parameter, type ParameterGroup } from './parameters.ts';

export interface ParameterCounts {
  readonly total: number;
  /** Parameters that one token uses, embedding and head included. */
  readonly active: number;
  readonly activeWithoutEmbedding: number;
  readonly byGroup: Readonly<Record<ParameterGroup, { readonly total: number; readonly active: number }>>;
  /** Parameters of the MTP modules, which no other figure includes; embedding and head are shared. */
  readonly mtp: number;
}

const groups: readonly ParameterGroup[] = [
  'embedding',
  'attention',
  'dense',
  'routed',
  'shared',
  'router',
  'norm',
  'head',
  'mtp',
];

function activeShare(config: ModelConfig, group: ParameterGroup): number {
  const { experts } = describeBlocks(config);
  return experts && group === 'routed' ? experts.router.numExpertsPerTok / experts.routed : 1;
}

const listed = new WeakMap<ModelConfig, readonly Parameter[]>();

/** Lists the tensors of a configuration once for each object: a plan asks often, and a large model has many. */
function parametersFor(config: ModelConfig): readonly Parameter[] {
  const parameters = listed.get(config) ?? listParameters(config);
  listed.set(config, parameters);
  return parameters;
}

export function countParameters(config: ModelConfig): ParameterCounts {
  const all = parametersFor(config);
  const main = all.filter(({ mtp }) => !mtp);
  const groupTotal = (part: ParameterGroup) =>
    main.reduce((sum, p) => sum + (p.group === part ? countElements(p.shape) : 0), 0);
  const byGroup = Object.fromEntries(
    groups.map((group) => [
      group,
      { total: groupTotal(group), active: groupTotal(group) * activeShare(config, group) },
    ]),
  ) as ParameterCounts['byGroup'];
  const total = groups.reduce((sum, group) => sum + byGroup[group].total, 0);
  const active = groups.reduce((sum, group) => sum + byGroup[group].active, 0);
  const mtp = all.reduce((sum, p) => sum + (p.mtp ? countElements(p.shape) : 0), 0);
  return { total, active, activeWithoutEmbedding: active - byGroup.embedding.active, byGroup, mtp };
}

/** Returns the multiply-adds of a token with one key, all heads and layers. */
function scoreWork(config: ModelConfig, form: AttentionForm): number {
  const { numHiddenLayers: L, numAttentionHeads: H } = config;
  if (!isMla(config)) return L * H * 2 * config.headDim;
  const { qkNopeHeadDim: N, qkRopeHeadDim: R, vHeadDim: V, kvLoraRank: C } = config;
  return L * H * (form === 'expanded' ? N + R + V : C + R + C);
}

/** Returns the forward FLOPs of a token in all MTP modules: active matrices, a layer's scores, the head once more. */
function mtpWork(config: ModelConfig, context: number): number {
  const { mtpModules: modules } = describeBlocks(config);
  if (modules === 0) return 0;
  const own = parametersFor(config).filter(({ mtp }) => mtp);
  const active = own.reduce((sum, { group, shape }) => sum + countElements(shape) * activeShare(config, group), 0);
  const { numHiddenLayers: L, vocabSize: V, hiddenSize: D } = config;
  return 2 * (active + modules * V * D) + (modules / L) * scoreWork(config, 'expanded') * context;
}

/**
 * Returns the parameters that a token multiplies with: all active ones but the look-up; a tied embedding is the head.
 */
function multiplied(config: ModelConfig): number {
  const { active, byGroup } = countParameters(config);
  return active - (config.tieWordEmbeddings ? 0 : byGroup.embedding.active);
}

export interface FlopsPerToken {
  /** Forward and backward, causal, in a sequence of `context` tokens. */
  readonly training: number;
  /** The additional cost of training the MTP modules. */
  readonly mtpTraining: number;
  /** Forward, in a prompt of `context` tokens. */
  readonly prefill: number;
  /** Forward, after `context` other tokens, with absorbed attention. */
  readonly decode: number;
}

/** Returns the FLOPs of one token. */
export function flopsPerToken(config: ModelConfig, context: number): FlopsPerToken {
  const linear = 2 * multiplied(config);
  const prefill = linear + (2 * scoreWork(config, 'expanded') * context) / 2;
  const mtpTraining = 3 * mtpWork(config, context);
  return { training: 3 * prefill, mtpTraining, prefill, decode: linear + 2 * scoreWork(config, 'absorbed') * context };
}

/** Returns the share of the FLOPs of training in matrices that FP8 training multiplies in FP8. */
export function fp8Share(config: ModelConfig, context: number): number {
  const { training, mtpTraining } = flopsPerToken(config, context);
  const codes = listParameters(config).filter(isFp8);
  const active = codes.reduce((sum, { group, shape }) => sum + countElements(shape) * activeShare(config, group), 0);
  return (6 * active) / (training + mtpTraining);
}

/** The FLOPs of whole sequences, from the numbers of their rows. */
export interface SequenceFlops {
  /** A forward pass over the rows `from` to `to` of a sequence, which attend to all rows before. @default from 0 */
  forward(to: number, from?: number): number;
  /** Generation of `tokens` after `prompt` others, with absorbed attention. */
  generation(prompt: number, tokens: number): number;
  /** Forward and backward over a sequence. */
  training(rows: number): number;
  /** What training the MTP modules adds to it. */
  mtpTraining(rows: number): number;
}

/** Returns the FLOPs of sequences of a model: those of flopsPerToken, which grow linearly with the context. */
export function sequenceFlops(config: ModelConfig): SequenceFlops {
  const [none, one] = [flopsPerToken(config, 0), flopsPerToken(config, 1)];
  const total = (name: 'prefill' | 'training' | 'mtpTraining', rows: number) =>
    rows * (none[name] + rows * (one[name] - none[name]));
  return {
    forward: (to, from = 0) => total('prefill', to) - total('prefill', from),
    generation: (prompt, tokens) => tokens * (none.decode + (prompt + tokens / 2) * (one.decode - none.decode)),
    training: (rows) => total('training', rows),
    mtpTraining: (rows) => total('mtpTraining', rows),
  };
}

/** Returns the numbers in the cache for one token in one layer: latent and rotary key, or keys and values. */
export function cacheWidth(config: ModelConfig): number {
  return isMla(config) ? config.kvLoraRank + config.qkRopeHeadDim : 2 * config.numKeyValueHeads * config.headDim;
}

/** Returns the bytes of FlashMLA's record: codes with a scale for each 128, the rotary part in BF16. */
function fp8CacheBytes(config: MlaConfig): number {
  return config.kvLoraRank + 4 * Math.ceil(config.kvLoraRank / 128) + 2 * config.qkRopeHeadDim;
}

/** Returns the cache bytes of one token in all layers. fp8: as FlashMLA stores latents; null where there are none. */
export function cacheBytesPerToken(config: ModelConfig): { readonly bf16: number; readonly fp8: number | null } {
  const { numHiddenLayers: L } = config;
  return { bf16: 2 * L * cacheWidth(config), fp8: isMla(config) ? L * fp8CacheBytes(config) : null };
}

function bytesAs(format: 'bf16' | 'fp8', parameter: Parameter): number {
  const { shape, kind } = parameter;
  if (kind === 'correction') return 4 * countElements(shape); // f32 in every format: a step moves it by a thousandth
  if (format === 'bf16' || !isFp8(parameter)) return 2 * countElements(shape);
  const [rows, columns] = shape.slice(-2) as [number, number];
  const groups = countElements(shape.slice(0, -2));
  return countElements(shape) + 4 * groups * Math.ceil(rows / 128) * Math.ceil(columns / 128);
}

/**
 * Returns the bytes of all weights with MTP modules. fp8: as released, blocks of 128 x 128 with a scale, the rest BF16.
 */
export function weightBytes(config: ModelConfig): {
  readonly f32: number;
  readonly bf16: number;
  readonly fp8: number;
} {
  const all = parametersFor(config);
  const count = all.reduce((sum, { shape }) => sum + countElements(shape), 0);
  const total = (format: 'bf16' | 'fp8') => all.reduce((sum, parameter) => sum + bytesAs(format, parameter), 0);
  return { f32: 4 * count, bf16: total('bf16'), fp8: total('fp8') };
}

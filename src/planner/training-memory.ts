// Memory of a device in training, by what lies in it, under data, pipeline, tensor, and expert parallelism.
//
// Data parallelism is ZeRO-1: moments and master weights are divided among the ranks that hold the same weights.
// Embedding and head lie on one stage. Formats: DeepSeek-V3 report, section 3.3 (f32 gradients and master weights, BF16
// moments). Activations of a layer are counted from its shapes; what a kernel keeps beside them is not.
import { describeBlocks } from '../model/architecture/index.ts';
import { isMla, type ModelConfig } from '../model/config.ts';
import { countParameters } from '../model/cost.ts';
import { countElements, listParameters } from '../model/parameters.ts';
import { PlanError } from './errors.ts';
import { derive, type Figure, given, total } from './figure.ts';
import { type ScheduleName, scheduleMemory } from './pipeline.ts';
import { expectCount } from './work.ts';

export interface Parallelism {
  readonly pipeline: number;
  readonly tensor: number;
  readonly expert: number;
  readonly schedule: ScheduleName;
}

/** What is kept of a layer until backward. selective: norms, MLA's up-projections, and SwiGLU are computed again. */
export type Recompute = 'none' | 'selective' | 'full';

export interface TrainingFormats {
  readonly weight: number;
  readonly gradient: number;
  readonly moment: number;
  readonly master: number;
  readonly activation: number;
  /** What experts read and what SwiGLU reads, which V3 keeps in FP8 where it recomputes. */
  readonly cached: number;
}

/** Bytes an element, as in V3's report. */
export const mixedFormats: TrainingFormats = { weight: 2, gradient: 4, moment: 2, master: 4, activation: 2, cached: 1 };

/** Returns the ranks that hold the same weights. Throws PlanError for a division that does not exist. */
export function dataRanks(
  config: ModelConfig,
  devices: number,
  { pipeline, tensor, expert, schedule }: Parallelism,
): number {
  for (const [name, value] of Object.entries({ devices, pipeline, tensor, expert })) expectCount(name, value);
  const { experts } = describeBlocks(config);
  const refuse = (problem: string, remedy: string) => new PlanError('parallelism', problem, remedy);
  if (devices % (pipeline * tensor) !== 0)
    throw refuse(
      `${devices} devices are no multiple of ${pipeline} stages x ${tensor} tensor ranks`,
      'change one of them',
    );
  if (pipeline > config.numHiddenLayers)
    throw refuse(`${pipeline} stages for ${config.numHiddenLayers} layers`, 'use at most one stage a layer');
  if (schedule === 'dualpipe' && pipeline > 1 && pipeline % 2 === 1)
    throw refuse(`dualpipe with ${pipeline} stages`, 'use an even number, or 1f1b');
  if (config.numAttentionHeads % tensor !== 0)
    throw refuse(`${config.numAttentionHeads} heads for ${tensor} tensor ranks`, 'use a divisor of the heads');
  if (expert > 1 && experts === null) throw refuse(`${expert} expert ranks for a dense model`, 'use 1');
  if (experts !== null && experts.routed % expert !== 0)
    throw refuse(`${experts.routed} experts for ${expert} ranks`, 'use a divisor of the experts');
  const ranks = devices / pipeline;
  if (ranks % expert !== 0)
    throw refuse(`${ranks} devices a stage for ${expert} expert ranks`, 'use a divisor of them');
  return devices / (pipeline * tensor);
}

/** Returns the bytes that a token leaves in one layer, with experts or dense, until backward. */
export function activationBytes(
  config: ModelConfig,
  recompute: Recompute,
  hasExperts: boolean,
  formats: TrainingFormats,
): number {
  const D = config.hiddenSize;
  if (recompute === 'full') return D * formats.activation;
  const { experts } = describeBlocks(config);
  const H = config.numAttentionHeads;
  let attention: number;
  let expanded = 0;
  if (isMla(config)) {
    const { qkNopeHeadDim: N, qkRopeHeadDim: R, vHeadDim: V, qLoraRank: Q, kvLoraRank: C } = config;
    attention = (Q ?? H * (N + R)) + C + R + H * V;
    expanded = (Q === null ? 0 : H * (N + R)) + H * (N + R) + H * V;
  } else attention = 2 * (H + config.numKeyValueHeads) * config.headDim;
  const isMixture = hasExperts && experts !== null;
  const copies = isMixture ? experts.router.numExpertsPerTok : 0;
  const width = isMixture ? copies * experts.width + experts.sharedWidth : config.intermediateSize;
  const kept = (2 * D + attention) * formats.activation;
  const forward = 2 * width + copies * D;
  if (recompute === 'selective') return kept + forward * formats.cached;
  return kept + (forward + 2 * D + expanded + width) * formats.activation;
}

export interface TrainingMemoryQuestion {
  readonly config: ModelConfig;
  readonly devices: number;
  readonly parallelism: Parallelism;
  readonly formats: TrainingFormats;
  readonly recompute: Recompute;
  /** Tokens of a micro-batch. */
  readonly microBatchTokens: number;
}

/** Counts the parameters of the MTP modules, which lie on the last stage: of routed experts, and all others. */
function countMtp(config: ModelConfig): { readonly routed: number; readonly others: number } {
  const own = listParameters(config).filter(({ mtp }) => mtp);
  const count = (isRouted: boolean) =>
    own.reduce((sum, { group, shape }) => sum + ((group === 'routed') === isRouted ? countElements(shape) : 0), 0);
  return { routed: count(true), others: count(false) };
}

/** Parameters of the fullest stage: of routed experts on a device, and all others. */
function stageParameters({ config, parallelism }: TrainingMemoryQuestion): { routed: Figure; others: Figure } {
  const { total: all, byGroup } = countParameters(config);
  const mtp = countMtp(config);
  const { pipeline, tensor, expert } = parallelism;
  const source = 'counted from the configuration';
  const counts = {
    stages: given('stages', pipeline, { source: 'asked' }),
    tensor: given('tensor ranks', tensor, { source: 'asked' }),
    expert: given('expert ranks', expert, { source: 'asked' }),
  };
  const routed = derive(
    'routed parameters of a device',
    '',
    '(routed / stages + mtp) / expert',
    {
      routed: given('routed parameters', byGroup.routed.total, { source }),
      mtp: given('routed parameters of MTP modules', mtp.routed, { source }),
      ...counts,
    },
    (v) => (v.routed / v.stages + v.mtp) / v.expert,
  );
  const others = derive(
    'other parameters of a device',
    '',
    'max((others + mtp) / stages, ends + mtp) / tensor',
    {
      others: given('parameters but routed experts', all - byGroup.routed.total, { source }),
      ends: given('embedding and head', byGroup.embedding.total + byGroup.head.total, { source }),
      mtp: given('other parameters of MTP modules', mtp.others, { source }),
      ...counts,
    },
    (v) => Math.max((v.others + v.mtp) / v.stages, v.ends + v.mtp) / v.tensor,
  );
  return { routed, others };
}

/** Bytes of activations, which divide among stages and tensor ranks. */
function activationMemory({
  config,
  parallelism,
  formats,
  recompute,
  microBatchTokens,
}: TrainingMemoryQuestion): Figure {
  const { hasExperts } = describeBlocks(config);
  const layers = Array.from({ length: config.numHiddenLayers }, (_, i) =>
    activationBytes(config, recompute, hasExperts(i), formats),
  );
  const sum = layers.reduce((whole, bytes) => whole + bytes, 0);
  const { activations } = scheduleMemory(parallelism.schedule, parallelism.pipeline);
  const asked = { source: 'asked' };
  return derive(
    'activations',
    'B',
    'tokens x each / stages x in flight / tensor',
    {
      tokens: given('tokens of a micro-batch', microBatchTokens, asked),
      each: given('bytes a token', sum, {
        unit: 'B',
        source: `counted from the shapes of all layers; recompute: ${recompute}`,
      }),
      stages: given('stages', parallelism.pipeline, asked),
      'in flight': given('micro-batches in flight', activations, {
        source: `${parallelism.schedule}: V3 report, table 2`,
      }),
      tensor: given('tensor ranks', parallelism.tensor, asked),
    },
    (v) => ((v.tokens * v.each) / v.stages) * (v['in flight'] / v.tensor),
  );
}

/** Returns what lies in the memory of the fullest device: the parts, and their sum as the last figure. */
export function trainingMemory(question: TrainingMemoryQuestion): readonly Figure[] {
  const { config, devices, parallelism, formats, microBatchTokens } = question;
  const ranks = dataRanks(config, devices, parallelism);
  const { routed, others } = stageParameters(question);
  const expertRanks = devices / (parallelism.pipeline * parallelism.expert);
  const { parameters: copies } = scheduleMemory(parallelism.schedule, parallelism.pipeline);
  const each = (name: string, bytes: number, times: number) =>
    derive(
      name,
      'B',
      'copies x bytes x (routed + others)',
      {
        copies: given('copies', times, { source: parallelism.schedule }),
        bytes: given('bytes a parameter', bytes, { source: 'number formats of the recipe' }),
        routed,
        others,
      },
      (v) => v.copies * v.bytes * (v.routed + v.others),
    );
  const state = derive(
    'moments and master weights',
    'B',
    'bytes x (routed / expert ranks + others / ranks)',
    {
      bytes: given('bytes a parameter', 2 * formats.moment + formats.master, {
        source: 'two moments and a master copy',
      }),
      routed,
      others,
      ranks: given('ranks that share weights', ranks, { source: 'data parallelism, ZeRO-1' }),
      'expert ranks': given('ranks that share experts', expertRanks, { source: 'data parallelism, ZeRO-1' }),
    },
    (v) => v.bytes * (v.routed / v['expert ranks'] + v.others / v.ranks),
  );
  const logits = derive(
    'logits and their gradients',
    'B',
    '2 x 4 B x tokens x vocabulary / tensor',
    {
      tokens: given('tokens of a micro-batch', microBatchTokens, { source: 'asked' }),
      vocabulary: given('vocabulary', config.vocabSize, { source: 'the configuration' }),
      tensor: given('tensor ranks', parallelism.tensor, { source: 'asked' }),
    },
    (v) => (8 * v.tokens * v.vocabulary) / v.tensor,
  );
  const parts = [
    each('weights', formats.weight, copies),
    each('gradients', formats.gradient, 1),
    state,
    activationMemory(question),
    logits,
  ];
  return [...parts, total('memory of a device', parts)];
}

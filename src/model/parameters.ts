// The tensors of a configuration: names, shapes, groups. Counts, checkpoints and initialization all read this list.
//
// Names are Hugging Face's. Experts are stacked, as in transformers: mlp.experts.gate_up_proj [E, 2F, D] and
// mlp.experts.down_proj [E, D, F]; checkpoints store them one by one. MTP module k is layer numHiddenLayers + k, named
// as DeepSeek's release does; it shares embedding and head with the main model, so they are not listed again.
// Source: DeepSeek-V3 report section 2, README_WEIGHTS; facts of shapes in transformers' modeling_deepseek_v3.py.
import { describeBlocks, type Experts, type Gqa, type GqaConfig } from './architecture/index.ts';
import type { MlaConfig, ModelConfig } from './config.ts';

export type ParameterGroup =
  | 'embedding'
  | 'attention'
  | 'dense'
  | 'routed'
  | 'shared'
  | 'router'
  | 'norm'
  | 'head'
  | 'mtp';

export interface Parameter {
  /** The key in the state dict. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly group: ParameterGroup;
  /** Whether it belongs to an MTP module, which the main model's counts leave out. */
  readonly mtp: boolean;
  /** A norm's gain starts at 1, a bias at 0, a matrix at random. */
  readonly kind: 'matrix' | 'gain' | 'bias' | 'correction';
}

type ParameterSpec = readonly [name: string, shape: readonly number[], group: ParameterGroup, kind?: Parameter['kind']];

function mla(c: MlaConfig): ParameterSpec[] {
  const { hiddenSize: D, numAttentionHeads: H, qkNopeHeadDim: N, qkRopeHeadDim: R, vHeadDim: V } = c;
  const { qLoraRank: Q, kvLoraRank: C } = c;
  const query: ParameterSpec[] =
    Q === null
      ? [['q_proj.weight', [H * (N + R), D], 'attention']]
      : [
          ['q_a_proj.weight', [Q, D], 'attention'],
          ['q_a_layernorm.weight', [Q], 'attention', 'gain'],
          ['q_b_proj.weight', [H * (N + R), Q], 'attention'],
        ];
  return [
    ...query,
    ['kv_a_proj_with_mqa.weight', [C + R, D], 'attention'],
    ['kv_a_layernorm.weight', [C], 'attention', 'gain'],
    ['kv_b_proj.weight', [H * (N + V), C], 'attention'],
    ['o_proj.weight', [D, H * V], 'attention'],
  ];
}

function gqa(c: GqaConfig, { qkvBias, outBias, qkNorm }: Gqa): ParameterSpec[] {
  const { hiddenSize: D, numAttentionHeads: H, numKeyValueHeads: G, headDim: N } = c;
  const projection = (name: string, out: number, inner: number, bias: boolean): ParameterSpec[] => [
    [`${name}.weight`, [out, inner], 'attention'],
    ...(bias ? [[`${name}.bias`, [out], 'attention', 'bias'] as const] : []),
  ];
  const norm = (name: string): ParameterSpec[] => (qkNorm ? [[`${name}.weight`, [N], 'attention', 'gain']] : []);
  return [
    ...projection('q_proj', H * N, D, qkvBias),
    ...projection('k_proj', G * N, D, qkvBias),
    ...projection('v_proj', G * N, D, qkvBias),
    ...projection('o_proj', D, H * N, outBias),
    ...norm('q_norm'),
    ...norm('k_norm'),
  ];
}

function swiglu(D: number, F: number, group: ParameterGroup): ParameterSpec[] {
  return [
    ['gate_proj.weight', [F, D], group],
    ['up_proj.weight', [F, D], group],
    ['down_proj.weight', [D, F], group],
  ];
}

function under(prefix: string, locals: readonly ParameterSpec[]): ParameterSpec[] {
  return locals.map(([name, ...rest]) => [`${prefix}.${name}`, ...rest] as ParameterSpec);
}

function experts(D: number, { routed: E, width: F, sharedWidth, hasCorrection }: Experts): ParameterSpec[] {
  const correction: ParameterSpec[] = hasCorrection
    ? [['gate.e_score_correction_bias', [E], 'router', 'correction']]
    : [];
  return [
    ['gate.weight', [E, D], 'router'],
    ...correction,
    ['experts.gate_up_proj', [E, 2 * F, D], 'routed'],
    ['experts.down_proj', [E, D, F], 'routed'],
    ...(sharedWidth > 0 ? under('shared_experts', swiglu(D, sharedWidth, 'shared')) : []),
  ];
}

/** Whether layer `i` has experts; MTP modules, which follow the main layers, always do. */
export function hasExperts(config: ModelConfig, i: number): boolean {
  const { experts, hasExperts } = describeBlocks(config);
  return experts !== null && hasExperts(i);
}

/** Counts the main layers that have experts. */
export function countMoeLayers(config: ModelConfig): number {
  return Array.from({ length: config.numHiddenLayers }, (_, i) => hasExperts(config, i)).filter(Boolean).length;
}

function layer(c: ModelConfig, i: number): ParameterSpec[] {
  const D = c.hiddenSize;
  const { gqa: grouped, experts: mixture, norms } = describeBlocks(c);
  const norm = (name: string): ParameterSpec => [`${name}_layernorm.weight`, [D], 'norm', 'gain'];
  return [
    norm('input'),
    ...under('self_attn', grouped === null ? mla(c as MlaConfig) : gqa(c as GqaConfig, grouped)),
    norm('post_attention'),
    ...(norms === 'sandwich' ? [norm('pre_feedforward'), norm('post_feedforward')] : []),
    ...under('mlp', mixture && hasExperts(c, i) ? experts(D, mixture) : swiglu(D, c.intermediateSize, 'dense')),
  ];
}

function mtp(c: ModelConfig, i: number): ParameterSpec[] {
  const D = c.hiddenSize;
  return [
    ['enorm.weight', [D], 'mtp', 'gain'],
    ['hnorm.weight', [D], 'mtp', 'gain'],
    ['eh_proj.weight', [D, 2 * D], 'mtp'],
    ...layer(c, i),
    ['shared_head.norm.weight', [D], 'mtp', 'gain'],
  ];
}

/** Lists every tensor of a configuration, main model first, in the order of the layers. */
export function listParameters(config: ModelConfig): Parameter[] {
  const { vocabSize: V, hiddenSize: D, numHiddenLayers: L } = config;
  const made = (locals: readonly ParameterSpec[], isMtp = false): Parameter[] =>
    locals.map(([name, shape, group, kind = 'matrix']) => ({ name, shape, group, kind, mtp: isMtp }));
  const layers = Array.from({ length: L }, (_, i) => under(`model.layers.${i}`, layer(config, i))).flat();
  const { mtpModules } = describeBlocks(config);
  const next = Array.from({ length: mtpModules }, (_, k) => under(`model.layers.${L + k}`, mtp(config, L + k)));
  return [
    ...made([['model.embed_tokens.weight', [V, D], 'embedding']]),
    ...made(layers),
    ...made([['model.norm.weight', [D], 'norm', 'gain']]),
    ...made(config.tieWordEmbeddings ? [] : [['lm_head.weight', [V, D], 'head']]),
    ...made(next.flat(), true),
  ];
}

/** Whether the released FP8 checkpoints store a tensor as codes: matrices of attention and feed-forward only. */
export function isFp8(parameter: Parameter): boolean {
  const { group, kind, name } = parameter;
  if (kind !== 'matrix' || name.endsWith('eh_proj.weight')) return false;
  return group === 'attention' || group === 'dense' || group === 'routed' || group === 'shared';
}

export function countElements(shape: readonly number[]): number {
  return shape.reduce((size, n) => size * n, 1);
}

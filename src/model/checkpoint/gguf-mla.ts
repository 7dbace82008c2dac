// Multi-head latent attention as GGUF's keys (deepseek2) and back.
//
// Attention is written as what it becomes when absorbed, one key head of width kv_lora + rope, with the expanded widths
// beside it as *_mla; yarn_log_multiplier is 0.1 mscale_all_dim. Source: llama.cpp's src/llama-arch.cpp and conversion
// scripts.
import { type GgufKeyRow, ggufExpertKeys } from '../architecture/index.ts';
import type { MlaConfig } from '../config.ts';
import { f32, type GgufKeys, type KeyReader, text, toKeys, u32 } from './gguf-key-reader.ts';
import { decimal, readRopeScaling, unread, yarnKeys } from './gguf-rope.ts';

const gating = { softmax: 1, sigmoid: 2 } as const;

const ownKeys: readonly GgufKeyRow[] = [
  ...ggufExpertKeys,
  ['attention.q_lora_rank', 'q_lora_rank', 'u32', null],
  ['attention.kv_lora_rank', 'kv_lora_rank', 'u32'],
  ['rope.dimension_count', 'qk_rope_head_dim', 'u32'],
];

export function toMlaKeys(c: MlaConfig, fields: Readonly<Record<string, unknown>>): GgufKeys {
  const isGrouped = c.topkMethod !== 'greedy';
  const { ropeScaling: yarn } = c;
  return {
    'attention.head_count_kv': u32(1),
    'attention.key_length': u32(c.kvLoraRank + c.qkRopeHeadDim),
    'attention.value_length': u32(c.kvLoraRank),
    'attention.key_length_mla': u32(c.qkNopeHeadDim + c.qkRopeHeadDim),
    'attention.value_length_mla': u32(c.vHeadDim),
    ...toKeys(ownKeys, {
      ...fields,
      n_shared_experts: c.nSharedExperts ?? 0,
      n_group: isGrouped ? (c.nGroup ?? 1) : null,
      topk_group: isGrouped ? (c.topkGroup ?? c.nGroup ?? 1) : null,
      num_nextn_predict_layers: c.numNextnPredictLayers || null,
    }),
    expert_gating_func: u32(gating[c.scoringFunc]),
    ...(yarn && {
      'rope.scaling.type': text('yarn'),
      ...toKeys(yarnKeys, fields.rope_scaling as Record<string, unknown>),
      'rope.scaling.yarn_log_multiplier': f32(0.1 * yarn.mscaleAllDim),
    }),
  };
}

const expandedWidths = ['attention.key_length', 'attention.value_length'];

/** Returns the fields of config.json that the keys of deepseek2 mean. `names`: the file's tensors. */
export function readMlaFields(keys: KeyReader, names: ReadonlySet<string>): object {
  const hasBias = [...names].some((name) => name.endsWith('exp_probs_b.bias'));
  const function_ = keys.find('expert_gating_func') ?? gating.softmax;
  if (function_ !== gating.softmax && function_ !== gating.sigmoid)
    keys.refuse('expert_gating_func', '1 (softmax) or 2 (sigmoid)', unread);
  const isSigmoid = function_ === gating.sigmoid;
  const scaling = readRopeScaling(keys);
  const logMultiplier = 'rope.scaling.yarn_log_multiplier';
  const mscale = keys.find(logMultiplier) === undefined ? 0 : decimal(10 * decimal(keys.number(logMultiplier)));
  const fields = keys.fields(ownKeys);
  const { kv_lora_rank: kv, qk_rope_head_dim: rope } = fields as Record<string, number>;
  const isSplit = keys.find('attention.key_length_mla') !== undefined;
  const heads = keys.number('attention.head_count');
  // Files from before llama.cpp split attn_kv_b have the expanded widths, and as many key heads as heads.
  const widths = isSplit ? ['attention.key_length_mla', 'attention.value_length_mla'] : expandedWidths;
  const [keyWidth, valueWidth] = widths.map((key) => keys.number(key)) as [number, number];
  keys.expect('attention.head_count_kv', isSplit ? 1 : heads);
  if (isSplit) {
    keys.expect('attention.key_length', kv + rope);
    keys.expect('attention.value_length', kv);
  }
  return {
    model_type: hasBias || isSigmoid ? 'deepseek_v3' : 'deepseek_v2',
    ...fields,
    qk_nope_head_dim: keyWidth - rope,
    v_head_dim: valueWidth,
    scoring_func: isSigmoid ? 'sigmoid' : 'softmax',
    topk_method: hasBias ? 'noaux_tc' : keys.find('expert_group_count') ? 'group_limited_greedy' : 'greedy',
    rope_scaling: scaling && { ...scaling, mscale, mscale_all_dim: mscale },
  };
}

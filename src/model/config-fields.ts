// Fields of config.json that have no place in the schemas: kept where they change nothing, refused where they might.
//
// Many programs write many fields, and a model that computes something else often differs from Llama or DeepSeek by one
// of them. A field whose name speaks of the model's arithmetic must be listed here, with the values that leave it as it
// is; others are descriptions. Sources: PretrainedConfig and its subclasses in transformers; the released config.json
// files of DeepSeek, Moonlight, Llama, SmolLM2, and Qwen 2.5.
import {
  type Architecture,
  describeBlocks,
  type FieldRule,
  type MlaConfig,
  type ModelConfig,
} from './architecture/index.ts';
import type { Refusal } from './errors.ts';
import { checkQuantization } from './quantization-config.ts';

/** Training, generation and bookkeeping: whatever their values, the forward pass is the same. */
const harmless = new Set(
  `ep_size attention_dropout attention_probs_dropout_prob attn_pdrop hidden_dropout hidden_dropout_prob embd_pdrop
  embedding_dropout residual_dropout router_aux_loss_coef router_jitter_noise output_router_logits
  output_hidden_states output_attentions num_labels num_beams num_beam_groups num_return_sequences
  no_repeat_ngram_size max_window_layers encoder_no_repeat_ngram_size decoder_start_token_id attn_implementation
  _attn_implementation _attn_implementation_internal use_flash_attention use_flash_attn fused_rotary
  use_parallel_embedding`.split(/\s+/),
);

/** Names of arithmetic, as they stand between the underscores of a field's name. */
const arithmetic = new Set(
  `attention attn attentions rope rotary position positional positions alibi norm layernorm rmsnorm qknorm bias scale
  scaled scales scaling multiplier factor softcap softcapping cap capping clip clamp window windows sliding chunk
  chunked expert experts router routed routing moe gate gated gating act activation mlp ffn ff residual embed embd
  emb embedding embeddings head heads kv query queries keys qk qkv dim dims size width depth layers types index
  indexer mtp nextn lora adapter adapters quantization quantize quant compression sparse sparsity causal parallel
  conv ssm mamba linear tie tied untie vision audio image logit logits pooling recurrent hidden interleave
  interleaved interval frequency freq freqs base theta yarn ntk longrope mrope num n pct percent partial rms eps
  epsilon glu swiglu geglu normalize token_shift skip shared cross encoder decoder bidirectional mup`.split(/\s+/),
);

/** Names with which `false` turns a part of Llama off; with others it leaves an addition out. */
const plainParts = /(^|_)(use_rope|rms|rmsnorm|causal|gated|glu|swiglu|geglu|normalize|qkv_bias|pre_norm)(_|$)/;

const one = (value: unknown) => value === 1;
const off = (value: unknown) => value === false || value === 0;
const isEmpty = (value: unknown) => typeof value === 'object' && value !== null && Object.keys(value).length === 0;
const near = (expected: number) => (value: unknown) =>
  typeof value === 'number' && Math.abs(value - expected) <= 1e-6 * expected;

type Rules = Readonly<Record<string, FieldRule>>;

const factorOfOne: FieldRule = [one, '1'];

const fixedRules: Rules = {
  ...Object.fromEntries(
    `partial_rotary_factor rope_pct rope_percent rotary_pct rotary_percent rotary_emb_fraction logit_scale
    logits_scaling logits_scale embedding_multiplier residual_multiplier embedding_scale residual_scale
    scale_emb rope_scaling_factor rope_factor lm_head_multiplier attn_factor attention_factor mup_multiplier`
      .split(/\s+/)
      .map((name) => [name, factorOfOne]),
  ),
  final_logit_softcapping: [off, 'none'],
  attn_logit_softcapping: [off, 'none'],
  chunk_size_feed_forward: [off, '0'],
  num_experts: [off, '0'],
  num_local_experts: [off, '0'],
  interleave_moe_layer_step: [off, '0'],
  pruned_heads: [isEmpty, 'none'],
  mlp_only_layers: [isEmpty, 'none'],
  layer_types: [
    (value) => Array.isArray(value) && value.every((type) => type === 'full_attention'),
    'full_attention in every layer',
  ],
  hidden_activation: [(value) => value === 'silu', '"silu"'],
  activation_function: [(value) => value === 'silu', '"silu"'],
  position_embedding_type: [(value) => value === 'rope' || value === 'rotary', '"rope"'],
  is_causal: [(value) => value === true, 'true'],
  causal: [(value) => value === true, 'true'],
  use_rope: [(value) => value === true, 'true'],
  rms_norm: [(value) => value === true, 'true'],
  quantization_config: [() => true, ''], // checkQuantization reads it
};

const any: FieldRule = [() => true, ''];
const same = (expected: number): FieldRule => [near(expected), `${expected}`];

function mlaRules({ numAttentionHeads, qkNopeHeadDim, qkRopeHeadDim, vHeadDim }: MlaConfig): Rules {
  const width = qkNopeHeadDim + qkRopeHeadDim;
  return {
    num_key_value_heads: [near(numAttentionHeads), `num_attention_heads = ${numAttentionHeads} (MLA shares no keys)`],
    head_dim: [(value) => [qkRopeHeadDim, width, vHeadDim].some((each) => each === value), `${qkRopeHeadDim}`],
    qk_head_dim: same(width),
  };
}

function attentionRules(config: ModelConfig): Rules {
  const { gqa, rotaryDim } = describeBlocks(config);
  if (gqa === null) return mlaRules(config as MlaConfig);
  return {
    qkv_bias: [(value) => value === gqa.qkvBias, `${gqa.qkvBias}`],
    rotary_dim: same(rotaryDim),
    query_pre_attn_scalar: same(Number((gqa.scale ** -2).toPrecision(12))),
    attention_multiplier: same(gqa.scale),
  };
}

function rulesFor(config: ModelConfig, { classes, unread }: Architecture): Rules {
  const known: readonly string[] = classes;
  const positions = config.maxPositionEmbeddings;
  return {
    ...fixedRules,
    architectures: [
      (value) => Array.isArray(value) && (value.length === 0 || value.some((name) => known.includes(name))),
      known[0],
    ],
    sliding_window: [(value) => typeof value === 'number' && value >= positions, `at least ${positions}, or none`],
    ...attentionRules(config),
    ...Object.fromEntries(unread.map((field) => [field, any])),
  };
}

const speaksOfArithmetic = (field: string) => field.split(/[^a-z]+/).some((word) => arithmetic.has(word));

const removal = 'remove it from config.json if the model computes the same without it';

/** Finds a field outside the schema that would change the result. */
export function findUncomputedField(config: ModelConfig, architecture: Architecture): Refusal | null {
  const rules = rulesFor(config, architecture);
  for (const [field, value] of Object.entries(config.extra)) {
    if (value === null) continue;
    if (Object.hasOwn(rules, field)) {
      const [accepts, expected] = rules[field];
      if (!accepts(value)) return [field, expected, value];
      continue;
    }
    const isOff = value === false && !plainParts.test(field);
    if (isOff || harmless.has(field) || !speaksOfArithmetic(field)) continue;
    return [field, 'nothing, because minke does not know it and it may change the result', value, removal];
  }
  return checkQuantization(config.extra.quantization_config);
}

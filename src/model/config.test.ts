// Configurations: the published counts to the digit, Hugging Face's defaults, refusals. npm test -- config
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { describeBlocks, modelTypes } from './architecture/index.ts';
import { type MlaConfig, readConfig, writeConfig } from './config.ts';
import { cacheBytesPerToken, countParameters, flopsPerToken, sequenceFlops, weightBytes } from './cost.ts';
import { ModelError } from './errors.ts';
import { countElements, listParameters } from './parameters.ts';
import { preset, presetNames } from './presets.ts';

const billions = (n: number) => (n / 1e9).toFixed(2);

describe('counts', () => {
  // Totals: facts of the releases (README_WEIGHTS, model cards); 250.5 GFLOP: arXiv 2505.09343, table 4.
  test('DeepSeek-V3', () => {
    const config = preset('deepseek-v3');
    const counts = countParameters(config);
    assert.equal(counts.total, 671_026_419_200);
    assert.equal(billions(counts.active), '37.55');
    assert.equal(billions(counts.activeWithoutEmbedding), '36.63');
    assert.equal(billions(counts.mtp), '11.61');
    assert.equal(cacheBytesPerToken(config).bf16, 70_272);
    assert.equal(cacheBytesPerToken(config).fp8, 61 * 656); // FlashMLA's record
    assert.equal((flopsPerToken(config, 4096).training / 1e9).toFixed(1), '250.5');
    const { forward, training, mtpTraining, generation } = sequenceFlops(config);
    assert.equal(generation(4095, 2), 2 * flopsPerToken(config, 4096).decode);
    const each = flopsPerToken(config, 4096);
    assert.deepEqual([forward(4096), training(4096)], [4096 * each.prefill, 4096 * each.training]);
    assert.equal(mtpTraining(4096), 4096 * each.mtpTraining);
    assert.equal(forward(4096, 1024) + forward(1024), forward(4096));
  });

  test('V2, V2-Lite and Moonlight', () => {
    assert.equal(countParameters(preset('deepseek-v2')).total, 235_741_434_880);
    assert.equal(countParameters(preset('deepseek-v2-lite')).total, 15_706_484_224);
    assert.equal(countParameters(preset('moonlight-16b-a3b')).total, 15_960_110_208);
    assert.equal(cacheBytesPerToken(preset('deepseek-v2')).bf16, 69_120);
    assert.equal(cacheBytesPerToken(preset('moonlight-16b-a3b')).bf16, 31_104);
  });

  test('our own: tiny about 5 M, small about 60 M active', () => {
    assert.equal((countParameters(preset('tiny')).total / 1e6).toFixed(0), '5');
    const active = countParameters(preset('small')).active / 1e6;
    assert.ok(active > 50 && active < 70, `${active}`);
  });

  test("FP8 weights: V3's release to the byte, with its copies of embedding and head for the MTP module", () => {
    const config = preset('deepseek-v3');
    const copies = 2 * 2 * config.vocabSize * config.hiddenSize;
    assert.equal(weightBytes(config).fp8 + copies, 688_574_839_360); // model.safetensors.index.json
    const biases = 59 * 256; // one a layer with experts, the MTP module's included; f32 in every format
    assert.equal(weightBytes(config).bf16, weightBytes(config).f32 / 2 + 2 * biases);
  });

  for (const name of presetNames)
    test(`${name}: every part adds up`, () => {
      const config = preset(name);
      const counts = countParameters(config);
      const all = listParameters(config).reduce((sum, { shape }) => sum + countElements(shape), 0);
      assert.equal(counts.total + counts.mtp, all);
      assert.equal(new Set(listParameters(config).map((p) => p.name)).size, listParameters(config).length);
      assert.ok(counts.active <= counts.total);
    });
});

function messageFor(json: object): string {
  try {
    readConfig(json);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

describe('config.json', () => {
  for (const name of presetNames)
    test(`${name}: written and read again`, () => {
      const config = preset(name);
      const written = JSON.parse(JSON.stringify(writeConfig(config)));
      const { extra, ...fields } = readConfig(written);
      const { extra: none, ...expected } = config;
      assert.deepEqual(fields, expected);
      assert.deepEqual(none, {});
      assert.deepEqual(readConfig(JSON.parse(JSON.stringify(writeConfig(readConfig(written))))).extra, extra);
    });

  for (const model_type of modelTypes)
    test(`${model_type}: its defaults are read, written, and read again`, () => {
      const sizes = { hidden_size: 4096, num_attention_heads: 32 };
      const experts = model_type === 'deepseek_v2' ? { num_experts_per_tok: 6 } : {}; // has no default
      const config = readConfig({ model_type, ...sizes, ...experts });
      const { extra, ...fields } = readConfig(JSON.parse(JSON.stringify(writeConfig(config))));
      const { extra: none, ...expected } = config;
      assert.deepEqual([fields, none], [expected, {}]);
      assert.ok(listParameters(config).length > 0);
      assert.match(String(writeConfig(config).architectures), /ForCausalLM/);
    });

  test('windows of layers', () => {
    const windows = (json: object, layers = 7) => {
      const { window } = describeBlocks(readConfig(json));
      return Array.from({ length: layers }, (_, layer) => window(layer));
    };
    assert.deepEqual(windows({ model_type: 'mistral' }, 2), [4096, 4096]);
    assert.deepEqual(windows({ model_type: 'mistral', sliding_window: null }, 2), [null, null]);
    assert.deepEqual(windows({ model_type: 'phi3', sliding_window: 2047 }, 2), [2047, 2047]);
    const gemma = [512, 512, 512, 512, 512, null, 512];
    assert.deepEqual(windows({ model_type: 'gemma3_text', sliding_window: 512 }), gemma);
  });

  test("Hugging Face's defaults", () => {
    const config = readConfig({ model_type: 'deepseek_v3' }) as MlaConfig;
    assert.equal(config.nRoutedExperts, 256);
    assert.equal(config.ropeScaling, null);
    const llama = readConfig({ model_type: 'llama', hidden_size: 64, num_attention_heads: 4 });
    assert.ok('headDim' in llama && llama.headDim === 16 && llama.numKeyValueHeads === 4);
  });

  test('the newer rope_parameters', () => {
    const rope_parameters = {
      rope_type: 'llama3',
      rope_theta: 500000,
      factor: 8,
      original_max_position_embeddings: 64,
    };
    const parameters = { ...rope_parameters, low_freq_factor: 1, high_freq_factor: 4 };
    const config = readConfig({ model_type: 'llama', rope_parameters: parameters });
    assert.equal(config.ropeTheta, 500000);
    assert.equal(config.ropeScaling?.type, 'llama3');
  });

  test('null means the default where it has no other meaning', () => {
    const nulls = { num_key_value_heads: null, head_dim: null, rope_scaling: null, rms_norm_eps: null };
    const { extra, ...config } = readConfig({ model_type: 'llama', ...nulls });
    assert.deepEqual({ extra, ...config }, readConfig({ model_type: 'llama' }));
    const v3 = readConfig({ model_type: 'deepseek_v3', q_lora_rank: null, norm_topk_prob: null }) as MlaConfig;
    assert.deepEqual([v3.qLoraRank, v3.normTopkProb], [null, true]);
  });

  test('fields that are not used are kept, whatever their names', () => {
    const odd = { layer_0_x: 1, _name_or_path: 'a', Cap: [1], 'a.b_c': null, w_8bit: {} };
    const written = writeConfig(readConfig({ model_type: 'llama', ...odd }));
    for (const [name, value] of Object.entries(odd)) assert.deepEqual(written[name], value);
  });

  test('fields that are not used are kept', () => {
    const quantization_config = { quant_method: 'fp8', weight_block_size: [128, 128] };
    const config = readConfig({ model_type: 'deepseek_v3', quantization_config, transformers_version: '4.33.1' });
    assert.deepEqual(writeConfig(config).quantization_config, quantization_config);
    assert.equal(writeConfig(config).transformers_version, '4.33.1');
  });

  const refused: [what: string, json: unknown, message: RegExp][] = [
    ['no object', [], /expected a JSON object/],
    ['another architecture', { model_type: 'mamba' }, /model_type: expected one of deepseek_v3.*received "mamba"/],
    ['a text for a number', { model_type: 'llama', hidden_size: '64' }, /hidden_size: expected number.*received "64"/],
    ['no heads', { model_type: 'llama', num_attention_heads: 0 }, /num_attention_heads: .*received 0/],
    ['another activation', { model_type: 'qwen2', hidden_act: 'gelu' }, /hidden_act: .*received "gelu"/],
    ['sliding windows', { model_type: 'qwen2', use_sliding_window: true }, /use_sliding_window/],
    ['another scaling', { model_type: 'llama', rope_scaling: { type: 'dynamic', factor: 2 } }, /rope_scaling/],
    [
      'another scaling in MLA',
      { model_type: 'deepseek_v3', rope_scaling: { type: 'linear', factor: 2 } },
      /rope_scaling\.type: expected "yarn", received "linear"/,
    ],
    [
      'scaling that would not be computed',
      {
        model_type: 'qwen2',
        rope_scaling: { type: 'yarn', factor: 2, original_max_position_embeddings: 9, attention_factor: 2 },
      },
      /rope_scaling\.attention_factor: expected nothing.*received 2/,
    ],
    ['shared keys in MLA', { model_type: 'deepseek_v3', num_key_value_heads: 8 }, /num_key_value_heads: .*received 8/],
    ['half groups', { model_type: 'deepseek_v3', n_group: 7 }, /n_group: expected a divisor of n_routed_experts = 256/],
    [
      'too many chosen',
      { model_type: 'deepseek_v3', num_experts_per_tok: 200 },
      /num_experts_per_tok: expected at most/,
    ],
    [
      'more groups than there are',
      { model_type: 'deepseek_v3', topk_group: 9 },
      /topk_group: expected at most n_group/,
    ],
    [
      'odd rope width',
      { model_type: 'deepseek_v3', qk_rope_head_dim: 63 },
      /qk_rope_head_dim: expected an even number/,
    ],
    [
      'keys that do not divide',
      { model_type: 'llama', num_key_value_heads: 5 },
      /num_key_value_heads: expected a divisor/,
    ],
  ];
  const llama = { model_type: 'llama', hidden_size: 64, num_attention_heads: 4 };
  const v3 = { model_type: 'deepseek_v3' };
  const yarn = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 64 };
  const blocks = { quant_method: 'fp8', weight_block_size: [128, 128] };
  const compressed = (weights = {}) => ({
    quant_method: 'compressed-tensors',
    format: 'float-quantized',
    config_groups: { group_0: { weights: { num_bits: 8, type: 'float', symmetric: true, ...weights } } },
  });
  const changed: [base: object, fields: Record<string, unknown>, received: RegExp][] = [
    [llama, { partial_rotary_factor: 0.5 }, /partial_rotary_factor: expected 1, received 0.5/],
    [llama, { rope_parameters: { rope_type: 'default', partial_rotary_factor: 0.5 } }, /rope_scaling/],
    [llama, { rope_scaling: { type: 'mrope', rope_type: 'default', mrope_section: [1] } }, /rope_scaling.*"mrope"/],
    [llama, { rope_scaling: { rope_type: 'longrope', long_factor: [1], short_factor: [1] } }, /rope_scaling/],
    [llama, { rope_scaling: 2 }, /rope_scaling: .*received 2/],
    [llama, { rope_scaling: { ...yarn, mscale: 2 } }, /rope_scaling\.mscale: expected 1, or mscale_all_dim/],
    [llama, { sliding_window: 512 }, /sliding_window: expected at least 2048, or none, received 512/],
    [llama, { layer_types: ['full_attention', 'sliding_attention'] }, /layer_types/],
    [llama, { attn_logit_softcapping: 50 }, /attn_logit_softcapping/],
    [llama, { final_logit_softcapping: 30 }, /final_logit_softcapping: expected none, received 30/],
    [llama, { mlp_bias: true }, /mlp_bias/],
    [llama, { qkv_bias: true }, /qkv_bias/],
    [llama, { logits_scaling: 8 }, /logits_scaling/],
    [llama, { embedding_multiplier: 12 }, /embedding_multiplier/],
    [llama, { residual_multiplier: 0.2 }, /residual_multiplier/],
    [llama, { attention_multiplier: 0.5 }, /attention_multiplier: expected 0.25/],
    [llama, { query_pre_attn_scalar: 32 }, /query_pre_attn_scalar: expected 16/],
    [llama, { use_qk_norm: true }, /use_qk_norm: expected nothing/],
    [llama, { no_rope_layers: [1, 0] }, /no_rope_layers/],
    [llama, { use_rope: false }, /use_rope/],
    [llama, { num_local_experts: 8 }, /num_local_experts/],
    [llama, { architectures: ['LlamaForSequenceClassification'] }, /architectures: expected LlamaForCausalLM/],
    [llama, { hidden_activation: 'gelu' }, /hidden_activation/],
    [llama, { head_dim: 1, hidden_size: 2 }, /head_dim: expected an even number/],
    [llama, { quantization_config: { quant_method: 'bitsandbytes', load_in_4bit: true } }, /received "bitsandbytes"/],
    [llama, { quantization_config: { quant_algo: 'FP8', producer: { name: 'modelopt' } } }, /received .*modelopt/],
    [llama, { quantization_config: { quant_method: 'awq', bits: 3 } }, /bits: expected 4, received 3; use the unq/],
    [llama, { quantization_config: { quant_method: 'awq', bits: 4, version: 'gemv' } }, /version: expected "gemm"/],
    [llama, { quantization_config: { quant_method: 'gptq', bits: 3 } }, /bits: expected 4 or 8, received 3/],
    [
      llama,
      { quantization_config: { quant_method: 'gptq', bits: 4, checkpoint_format: 'marlin' } },
      /checkpoint_format/,
    ],
    [
      llama,
      { quantization_config: { quant_method: 'compressed-tensors', format: 'nvfp4-pack-quantized' } },
      /format: ex/,
    ],
    [llama, { quantization_config: compressed({ symmetric: false }) }, /group_0\.weights\.symmetric: expected true/],
    [llama, { quantization_config: compressed({ num_bits: 4 }) }, /num_bits: expected 8, received 4/],
    [
      llama,
      { quantization_config: { ...compressed(), kv_cache_scheme: { num_bits: 8 } } },
      /kv_cache_scheme: expected no/,
    ],
    [v3, { quantization_config: { ...blocks, weight_block_size: [64, 64] } }, /weight_block_size/],
    [v3, { quantization_config: { ...blocks, fmt: 'e5m2' } }, /fmt/],
    [v3, { quantization_config: { ...blocks, activation_scheme: 'static' } }, /activation_scheme/],
    [v3, { quantization_config: { ...blocks, kv_cache_scheme: {} } }, /kv_cache_scheme: expected nothing/],
    [llama, { compression_config: { format: 'int-quantized' } }, /compression_config/],
    [v3, { index_topk: 2048 }, /index_topk/],
    [v3, { rope_interleave: false }, /rope_interleave/],
    [v3, { head_dim: 40 }, /head_dim/],
    [v3, { n_routed_experts: 4096 }, /n_routed_experts: expected at most 2148 in each of 61 layers/],
    [llama, { num_hidden_layers: 1_000_000 }, /num_hidden_layers: expected at most 1024, received 1000000/],
    [llama, { max_position_embeddings: 2 ** 40 }, /max_position_embeddings: expected at most 16777216/],
  ];
  for (const [base, fields, message] of changed)
    test(`refused, because it would change the result: ${JSON.stringify(fields).slice(1, 70)}`, () => {
      assert.throws(() => readConfig({ ...base, ...fields }), { name: 'ModelError', message });
    });

  test('fields that change nothing are read over: those of real configurations, and neutral values', () => {
    const harmless = {
      attention_dropout: 0.1,
      ep_size: 1,
      id2label: { 0: 'a' },
      is_llama_config: true,
      max_window_layers: 28,
      output_hidden_states: false,
      partial_rotary_factor: 1,
      pretraining_tp: 4,
      qk_norm: false,
      rope_interleaved: false,
      sliding_window: 131_072,
      transformers_version: '5.0.0',
      unsloth_fixed: true,
      use_cache: false,
      use_sliding_window: false,
      attn_logit_softcapping: null,
    };
    assert.deepEqual(readConfig({ ...llama, ...harmless }).extra, harmless);
    const given = { attention_bias: true, layer_types: ['full_attention'], sliding_window: 64 };
    assert.deepEqual(readConfig({ model_type: 'qwen2', ...given }).extra, given);
    const own = { head_dim: 64, qk_head_dim: 192, quantization_config: { ...blocks, scale_fmt: 'ue8m0' } };
    assert.deepEqual(readConfig({ ...v3, ...own }).extra, own);
  });

  test('values of any size and depth are shown on one line', () => {
    let deep: unknown[] = [];
    for (let i = 0; i < 100_000; i++) deep = [deep];
    const shown = (value: unknown) => /received (.*); correct/.exec(messageFor({ ...llama, hidden_size: value }))?.[1];
    assert.equal(shown(deep), 'a value that is nested too deeply');
    assert.equal(shown('x'.repeat(1000)), `"${'x'.repeat(79)}... (1002 characters)`);
  });

  for (const [what, json, message] of refused)
    test(`refused: ${what}`, () => {
      assert.throws(
        () => readConfig(json, 'some/config.json'),
        (error: Error) => {
          assert.ok(error instanceof ModelError);
          assert.match(error.message, message);
          assert.match(error.message, /^\[some\/config\.json\]/);
          return true;
        },
      );
    });

  test('a preset that does not exist', () => {
    assert.throws(() => preset('huge'), /no such preset; choose one of deepseek-v3/);
  });
});

// A small model with random weights in a folder, as any other: DeepSeek-V3's layers, one module of multi-token
// prediction, R1's chat template.
import { openDevice } from '../src/kernels/index.ts';
import { exportWeights, writeCheckpoint } from '../src/model/checkpoint/index.ts';
import { initialWeights, readConfig, writeConfig } from '../src/model/index.ts';
import { useDevice } from '../src/tensor/index.ts';
import { chatProfiles, saveTokenizer, Tokenizer, trainTokenizer } from '../src/tokenizer/index.ts';

export async function writeSmallModel(folder: string): Promise<void> {
  const { specialTokens, config: chat } = chatProfiles['deepseek-r1'];
  const json = trainTokenizer(['the whale sings in the deep of the sea '.repeat(30)], {
    vocabSize: 330,
    specialTokens,
  });
  const vocabSize = new Tokenizer(json).vocabSize;
  const config = readConfig({
    model_type: 'deepseek_v3',
    vocab_size: vocabSize,
    hidden_size: 64,
    intermediate_size: 96,
    moe_intermediate_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    n_routed_experts: 8,
    num_experts_per_tok: 2,
    n_shared_experts: 1,
    n_group: 2,
    topk_group: 1,
    kv_lora_rank: 32,
    q_lora_rank: 48,
    qk_rope_head_dim: 16,
    qk_nope_head_dim: 32,
    v_head_dim: 32,
    first_k_dense_replace: 1,
    max_position_embeddings: 512,
    initializer_range: 0.2,
    num_nextn_predict_layers: 1,
  });
  const device = openDevice();
  useDevice(device);
  await writeCheckpoint(folder, writeConfig(config), exportWeights(config, initialWeights(config, 1), 'bf16'));
  saveTokenizer(folder, json, chat);
  await device.close();
}

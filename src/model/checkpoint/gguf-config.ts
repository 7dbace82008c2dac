// A configuration as GGUF's keys and back, as llama.cpp reads them: deepseek2 (gguf-mla.ts), and every family of
// grouped-query attention (gguf-gqa.ts).
//
// One table of keys serves both directions. Fields that GGUF has no key for come back as Hugging Face's defaults. A key
// of the architecture that is not read must have the value that changes nothing, else the file is refused. Sources:
// llama.cpp's src/llama-arch.cpp and conversion scripts.
import { architectureFor, findGgufArchitecture, type GgufKeyRow, ggufNames } from '../architecture/index.ts';
import { type GqaConfig, isMla, type ModelConfig, readConfig, writeConfig } from '../config.ts';
import { showValue } from '../errors.ts';
import { listParameters } from '../parameters.ts';
import { CheckpointError } from './errors.ts';
import type { GgufValue } from './gguf.ts';
import { expectSame, expectScores, type GgufContents, readGqaFields, toGqaKeys } from './gguf-gqa.ts';
import { expectNeutral, type GgufKeys, keyReader, text, toKeys, u32 } from './gguf-key-reader.ts';
import { readMlaFields, toMlaKeys } from './gguf-mla.ts';
import { ropeValues } from './gguf-rope.ts';
import type { TypedValue } from './gguf-writer.ts';

/** Keys with the field of config.json that they mean; with `otherwise` they may be absent. */
const commonKeys: readonly GgufKeyRow[] = [
  ['block_count', 'num_hidden_layers', 'u32'],
  ['context_length', 'max_position_embeddings', 'u32'],
  ['embedding_length', 'hidden_size', 'u32'],
  ['feed_forward_length', 'intermediate_size', 'u32'],
  ['attention.head_count', 'num_attention_heads', 'u32'],
  ['attention.layer_norm_rms_epsilon', 'rms_norm_eps', 'f32'],
  ['rope.freq_base', 'rope_theta', 'f32', 10000],
];

/** The keys of a model whose vocabulary is unknown. */
const noTokenizer: GgufKeys = { 'tokenizer.ggml.model': text('none') };

/** Names of tensors whose presence says something that no key does, and the parameters that they hold. */
const tellingTensors: Readonly<Record<string, string>> = {
  'lm_head.weight': 'output.weight',
  'model.layers.0.self_attn.q_proj.bias': 'blk.0.attn_q.bias',
  'model.layers.0.self_attn.q_norm.weight': 'blk.0.attn_q_norm.weight',
};

/** Returns the metadata of a configuration and of its tokenizer's keys. Throws CheckpointError for what has no key. */
export function ggufMetadata(config: ModelConfig, tokenizer: GgufKeys = noTokenizer): Map<string, TypedValue> {
  const { architecture } = architectureFor(config).gguf;
  const fields = writeConfig(config);
  const own: GgufKeys = {
    ...toKeys(commonKeys, fields),
    vocab_size: u32(config.vocabSize),
    ...(isMla(config) ? toMlaKeys(config, fields) : toGqaKeys(config, fields)),
  };
  const metadata = new Map([
    ['general.architecture', text(architecture)],
    ['general.alignment', u32(32)],
    ...Object.entries(own).map(([key, value]) => [`${architecture}.${key}`, value] as const),
    ...Object.entries(tokenizer),
  ]);
  if (isMla(config)) return metadata;
  const values = new Map([...metadata].map(([key, { type, value }]) => [key, type === 'f32' ? toF32(value) : value]));
  const names = listParameters(config).flatMap(({ name }) => tellingTensors[name] ?? []);
  const again = readGgufConfig(values, { names: new Set(names), factors: ropeValues(config) }, 'gguf');
  expectSame(config, again as GqaConfig, architecture);
  return metadata;
}

const toF32 = (value: GgufValue) => (typeof value === 'number' ? Math.fround(value) : value);

/** Refuses files that are no whole model. */
function expectWhole(metadata: ReadonlyMap<string, GgufValue>, file: string): void {
  const type = metadata.get('general.type') ?? 'model';
  if (type !== 'model')
    throw new CheckpointError(file, `general.type: expected "model", received ${showValue(type)}`, 'name the model');
}

/** Reads the configuration of a GGUF file. Throws CheckpointError or ModelError. */
export function readGgufConfig(
  metadata: ReadonlyMap<string, GgufValue>,
  contents: GgufContents,
  file: string,
): ModelConfig {
  expectWhole(metadata, file);
  const architecture = metadata.get('general.architecture');
  const family = findGgufArchitecture(architecture);
  if (typeof architecture !== 'string' || !family)
    throw new CheckpointError(
      file,
      `general.architecture: expected one of ${ggufNames.join(', ')}, received ${showValue(architecture)}`,
      'such models are not supported',
    );
  const keys = keyReader(metadata, architecture, file);
  const [bos, eos] = [metadata.get('tokenizer.ggml.bos_token_id'), metadata.get('tokenizer.ggml.eos_token_id')];
  const tokens = metadata.get('tokenizer.ggml.tokens') as readonly string[] | undefined;
  const common = {
    ...keys.fields(commonKeys),
    tie_word_embeddings: !contents.names.has('output.weight'),
    vocab_size: keys.find('vocab_size') ?? tokens?.length,
    // Where the vocabulary names none, Hugging Face's defaults hold.
    ...(bos !== undefined && { bos_token_id: bos }),
    ...(eos !== undefined && { eos_token_id: eos }),
  };
  const isLatent = architecture === 'deepseek2';
  const own = isLatent ? readMlaFields(keys, contents.names) : readGqaFields(keys, family, common, contents, file);
  const config = readConfig({ ...common, ...own }, file);
  if (!isLatent) expectScores(keys, config);
  expectNeutral(metadata, architecture, keys);
  return config;
}

// Which tensors a checkpoint of a configuration may have: those of its parameters, and what is known to change nothing.
//
// Contract: a tensor that the model would not use is a tensor of another model (a bias, a norm, an adapter, the
// scales of a quantization), so the checkpoint is refused by its name: read without it, it would answer nonsense.
import { isMla, type ModelConfig } from '../config.ts';
import { listParameters, type Parameter } from '../parameters.ts';
import { CheckpointError } from './errors.ts';
import { type CheckpointPiece, listPieces } from './pieces.ts';
import type { TensorSource } from './source.ts';

/** FP8 codes of `x.weight` have their scales in `x.weight_scale_inv`. */
export const scaleSuffix = '_scale_inv';

/** Lists the pieces of a parameter; one piece where the checkpoint has it under its own name. */
export function sourcePieces(parameter: Parameter, source: TensorSource): readonly CheckpointPiece[] {
  const { name, shape } = parameter;
  return source.entries.has(name) ? [{ name, shape, offset: 0 }] : listPieces(parameter);
}

/** Returns why a tensor that no parameter uses is left out; null where it cannot be. */
export function reasonToIgnore(name: string, config: ModelConfig, { entries }: TensorSource): string | null {
  if (name.endsWith('rotary_emb.inv_freq')) return 'computed from the configuration';
  if (name === 'lm_head.weight' && config.tieWordEmbeddings) return 'tied to model.embed_tokens.weight';
  if (/^(vision|visual|audio|image|multi_modal)/.test(name))
    return 'not part of the language model: texts do not pass it';
  const layer = Number(/^model\.layers\.(\d+)\./.exec(name)?.[1] ?? -1);
  const isModule = isMla(config) && entries.has(`model.layers.${layer}.eh_proj.weight`);
  if (layer < config.numHiddenLayers || !isModule) return null;
  if (/\.(embed_tokens|shared_head\.head)\.weight$/.test(name))
    return 'a copy: MTP shares embedding and head with the main model';
  return layer >= config.numHiddenLayers + config.numNextnPredictLayers
    ? 'an MTP module that num_nextn_predict_layers does not count'
    : null;
}

/** Names of what other programs store beside weights, and what to do about it. */
const foreign: readonly [name: RegExp, remedy: string][] = [
  [/lora_|\.adapter|modules_to_save|dora_|magnitude_vector/, 'an adapter: merge it into its base model first'],
  [
    /(qweight|qzeros|g_idx|scales?|scale_inv|zero_point|packed|absmax|quant_map|quant_state.*|SCB|amax|codebooks?)$/,
    'the weights are quantized in a way that is not read: use the unquantized checkpoint, or a GGUF in Q8_0 or Q4_0',
  ],
];

function refuseUnknown(config: ModelConfig, source: TensorSource, unknown: readonly string[]): never {
  const [name] = unknown as [string];
  const others = unknown.length > 1 ? ` (and ${unknown.length - 1} others)` : '';
  const remedy = foreign.find(([pattern]) => pattern.test(name))?.[1];
  throw new CheckpointError(
    source.entries.get(name)?.file ?? 'checkpoint',
    `${name}${others}: no part of this ${config.modelType}, and it may change the result`,
    remedy ?? 'check that config.json belongs to the weights',
  );
}

/** Throws CheckpointError for the first tensor of a checkpoint that the model neither uses nor may leave out. */
function expectKnown(config: ModelConfig, source: TensorSource): void {
  const { entries } = source;
  const pieces = listParameters(config).flatMap((parameter) => sourcePieces(parameter, source));
  const known = new Set(pieces.map(({ name }) => name));
  const isScale = (name: string) => {
    const codes = name.endsWith(scaleSuffix) ? name.slice(0, -scaleSuffix.length) : null;
    if (codes === null || entries.get(codes)?.type !== 'F8_E4M3') return false;
    return known.has(codes) || reasonToIgnore(codes, config, source) !== null;
  };
  const unknown = [...entries.keys()].filter(
    (name) => !known.has(name) && !isScale(name) && reasonToIgnore(name, config, source) === null,
  );
  if (unknown.length > 0) refuseUnknown(config, source, unknown);
  for (const name of known) {
    const entry = entries.get(name);
    if (entry?.type === 'F8_E4M3' && !entries.has(name + scaleSuffix))
      throw new CheckpointError(
        entry.file,
        `${name}: FP8 codes without ${name}${scaleSuffix}`,
        'use a checkpoint in blocks of 128 x 128 with their scales, or one in BF16',
      );
  }
}

/** The rows of embedding and head that are compared at a time. */
const comparedElements = 2 ** 22;

/** Throws where a checkpoint has a head that differs from the embedding which is to be used in its place. */
async function expectTied(config: ModelConfig, { entries, read }: TensorSource): Promise<void> {
  const [embedding, head] = [entries.get('model.embed_tokens.weight'), entries.get('lm_head.weight')];
  if (!config.tieWordEmbeddings || !embedding || !head) return;
  const elements = config.vocabSize * config.hiddenSize;
  let isSame = embedding.type === head.type && embedding.shape.join() === head.shape.join();
  for (let offset = 0; isSame && offset < elements; offset += comparedElements) {
    const range = { offset, length: Math.min(comparedElements, elements - offset) };
    const [own, other] = [await read(embedding.name, range), await read(head.name, range)];
    isSame = Buffer.compare(own, other) === 0;
  }
  if (isSame) return;
  throw new CheckpointError(
    head.file,
    'lm_head.weight differs from model.embed_tokens.weight, and tie_word_embeddings is true',
    'set tie_word_embeddings to false in config.json, or remove lm_head.weight',
  );
}

/** Throws CheckpointError unless every tensor of the checkpoint is used or changes nothing. */
export async function expectTensors(config: ModelConfig, source: TensorSource): Promise<void> {
  expectKnown(config, source);
  await expectTied(config, source);
}

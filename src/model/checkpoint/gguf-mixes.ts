// Which block format each tensor of a GGUF file is written in: one for all, or llama.cpp's mixes of K formats.
//
// _M spends more bits on what 4 and 5 bits hurt most: values and down projections of the first, the last, and every
// third layer between, embedding if it is the head, and the head. Norms, biases, and the router are F32. A row that
// is not whole super-blocks falls back to the format of 32 values next above, one that is not whole blocks to F16.
// Source: llama-quant.cpp.
import { describeBlocks } from '../architecture/index.ts';
import type { ModelConfig } from '../config.ts';
import { ggmlTypes, type WritableType } from './ggml-blocks.ts';

export const ggufMixes = ['q4_k_s', 'q4_k_m', 'q5_k_s', 'q5_k_m'] as const;

/** A format of all matrices, or a mix. */
export type GgufFormat = WritableType | (typeof ggufMixes)[number];

const isMix = (format: GgufFormat): format is (typeof ggufMixes)[number] =>
  (ggufMixes as readonly string[]).includes(format);

/** What a row of another length is written in. */
const fallbacks: Readonly<Partial<Record<WritableType, WritableType>>> = { Q4_K: 'Q5_0', Q5_K: 'Q5_1', Q6_K: 'Q8_0' };

function fitting(type: WritableType, width: number): WritableType {
  if (width % ggmlTypes[type].block === 0) return type;
  const other = fallbacks[type];
  return other === undefined ? 'F16' : fitting(other, width);
}

/** Whether layer i of n is one of those that get more bits. */
const isFavored = (i: number, n: number) => {
  const eighth = Math.floor(n / 8);
  return i < eighth || i >= Math.floor((7 * n) / 8) || (i - eighth) % 3 === 2;
};

function chooseType(config: ModelConfig, name: string, format: GgufFormat): WritableType {
  const isHead = name === 'output.weight' || (name === 'token_embd.weight' && config.tieWordEmbeddings);
  if (isHead && (isMix(format) || format === 'Q4_0' || format === 'Q4_K' || format === 'Q5_K')) return 'Q6_K';
  if (!isMix(format)) return format;
  const isMedium = format.endsWith('m');
  const base = format.startsWith('q4') ? 'Q4_K' : 'Q5_K';
  const layers = config.numHiddenLayers + describeBlocks(config).mtpModules;
  const layer = Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? 0);
  if (name.includes('attn_qkv') && isMedium) return base === 'Q4_K' ? 'Q5_K' : 'Q6_K';
  if (name.includes('attn_v.')) {
    if (isMedium) return isFavored(layer, layers) ? 'Q6_K' : base;
    return base === 'Q4_K' && layer < 4 ? 'Q5_K' : base;
  }
  if (!name.includes('ffn_down')) return base;
  if (isMedium) return isFavored(layer, layers) ? 'Q6_K' : base;
  return base === 'Q4_K' && layer < Math.floor(layers / 8) ? 'Q5_K' : base;
}

/** Returns the type that a tensor is written in. `shape`: slowest dimension first. */
export function typeToWrite(
  config: ModelConfig,
  name: string,
  shape: readonly number[],
  format: GgufFormat,
): WritableType {
  if (shape.length === 1 || name.includes('ffn_gate_inp')) return 'F32';
  return fitting(chooseType(config, name, format), shape.at(-1) as number);
}

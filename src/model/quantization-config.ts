// quantization_config of config.json: which weights of other programs are read, and how; others are refused by name.
//
// Weights under a method look like matrices and are not: codes need the scales of their method. Activations are not
// quantized here, whatever the method does with them. Sources: transformers' quantization_config.py, quant_scheme.py of
// compressed-tensors, AutoAWQ, AutoGPTQ.
import type { Refusal } from './errors.ts';

/** How matrices are stored. `weight` stands for the name of a module's matrix. */
export interface Quantization {
  /**
   * blocks: FP8 codes with weight_scale_inv for each 128 x 128, as DeepSeek's release; scaled: codes of 8 bits with
   * scales of the tensor, rows, groups or blocks; packed: compressed-tensors' small integers; gptq, awq: theirs
   */
  readonly scheme: 'blocks' | 'scaled' | 'packed' | 'gptq' | 'awq';
  /** Bits of a code. */
  readonly bits: number;
  /** What is added to GPTQ's stored zero points: 1 in its first format. */
  readonly zeroOffset: number;
}

const instead = 'use the unquantized checkpoint, or a GGUF of the model';

type Fields = Readonly<Record<string, unknown>>;
type Found = Quantization | Refusal;

const isRefusal = (found: Found): found is Refusal => Array.isArray(found);
const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const isNothing = (value: unknown) => value === null || value === undefined;
const isEmpty = (value: unknown) => isNothing(value) || (isObject(value) && Object.keys(value).length === 0);

function refuse(name: string, expected: string, received: unknown): Refusal {
  return [`quantization_config.${name}`, expected, received, instead];
}

const eightBits = (scheme: Quantization['scheme']): Quantization => ({ scheme, bits: 8, zeroOffset: 0 });

/** Fields of method fp8 beside it, with what they must be; null: whatever they are. */
const fp8Fields: Readonly<Record<string, ((value: unknown) => boolean) | null>> = {
  quant_method: null,
  activation_scheme: (value) => value === 'dynamic' || value === 'static',
  fmt: (value) => value === 'e4m3',
  weight_block_size: (value) => Array.isArray(value) && value.join() === '128,128',
  scale_fmt: (value) => value === 'ue8m0' || value === 'float',
  modules_to_not_convert: null,
  ignored_layers: null,
  dequantize: null,
};

function readFp8(fields: Fields): Found {
  for (const [name, value] of Object.entries(fields)) {
    if (!Object.hasOwn(fp8Fields, name)) return refuse(name, 'nothing, because it may change the result', value);
    if (value !== null && fp8Fields[name]?.(value) === false) return refuse(name, 'what DeepSeek-V3 has', value);
  }
  const { weight_block_size: block, activation_scheme: activations } = fields;
  if (isNothing(block)) return eightBits('scaled');
  return activations === 'static' ? refuse('activation_scheme', '"dynamic"', activations) : eightBits('blocks');
}

/** The formats of compressed-tensors that are read, with the type of their codes. */
const compressedFormats: Readonly<Record<string, { scheme: 'scaled' | 'packed'; type: string; bits: number[] }>> = {
  'float-quantized': { scheme: 'scaled', type: 'float', bits: [8] },
  'naive-quantized': { scheme: 'scaled', type: 'float', bits: [8] },
  'int-quantized': { scheme: 'scaled', type: 'int', bits: [8] },
  'pack-quantized': { scheme: 'packed', type: 'int', bits: [4, 8] },
};

function readCompressed(fields: Fields): Found {
  const { format, config_groups: groups, kv_cache_scheme: cache } = fields;
  if (typeof format !== 'string' || !Object.hasOwn(compressedFormats, format))
    return refuse('format', `one of ${Object.keys(compressedFormats).join(', ')}`, format);
  if (!isEmpty(cache)) return refuse('kv_cache_scheme', 'nothing, because it may change the result', cache);
  const { sparsity_config: sparsity, transform_config: transform } = fields;
  const isDense = isEmpty(sparsity) || (isObject(sparsity) && sparsity.format === 'dense');
  if (!isDense) return refuse('sparsity_config', 'none', sparsity);
  if (!isEmpty(transform)) return refuse('transform_config', 'none', transform);
  if (!isObject(groups) || isEmpty(groups)) return refuse('config_groups', 'at least one group', groups);
  const { scheme, type, bits } = compressedFormats[format];
  const widths = new Set<number>();
  for (const [name, group] of Object.entries(groups)) {
    const weights = isObject(group) ? group.weights : undefined;
    const where = `config_groups.${name}.weights`;
    if (!isObject(weights)) return refuse(where, 'an object', weights);
    if (weights.type !== type) return refuse(`${where}.type`, `"${type}" in ${format}`, weights.type);
    const width = weights.num_bits;
    if (!bits.some((each) => each === width)) return refuse(`${where}.num_bits`, bits.join(' or '), width);
    if (weights.symmetric !== true) return refuse(`${where}.symmetric`, 'true', weights.symmetric);
    if (!isNothing(weights.actorder) && weights.actorder !== 'static' && weights.actorder !== 'weight')
      return refuse(`${where}.actorder`, 'none, or "static"', weights.actorder);
    widths.add(width as number);
  }
  const [first, ...others] = widths;
  return others.length > 0
    ? refuse('config_groups', 'one width of codes', [...widths])
    : { scheme, bits: first, zeroOffset: 0 };
}

function readGptq(fields: Fields): Found {
  const { bits, checkpoint_format: format = 'gptq', is_marlin_format: marlin = false, dynamic } = fields;
  if (bits !== 4 && bits !== 8) return refuse('bits', '4 or 8', bits);
  if (format !== 'gptq' && format !== 'gptq_v2') return refuse('checkpoint_format', '"gptq" or "gptq_v2"', format);
  if (marlin !== false) return refuse('is_marlin_format', 'false', marlin);
  if (!isEmpty(dynamic)) return refuse('dynamic', 'none', dynamic);
  return { scheme: 'gptq', bits, zeroOffset: format === 'gptq' ? 1 : 0 };
}

function readAwq(fields: Fields): Found {
  const { bits = fields.w_bit, zero_point: zeros = true, version = 'gemm' } = fields;
  if (bits !== 4) return refuse('bits', '4', bits);
  if (zeros !== true) return refuse('zero_point', 'true', zeros);
  if (typeof version !== 'string' || version.toLowerCase() !== 'gemm') return refuse('version', '"gemm"', version);
  return { scheme: 'awq', bits, zeroOffset: 0 };
}

const methods: Readonly<Record<string, (fields: Fields) => Found>> = {
  fp8: readFp8,
  fbgemm_fp8: () => eightBits('scaled'),
  'compressed-tensors': readCompressed,
  gptq: readGptq,
  awq: readAwq,
};

function read(given: unknown): Found {
  const method = isObject(given) ? given.quant_method : undefined;
  if (isObject(given) && typeof method === 'string' && Object.hasOwn(methods, method)) return methods[method](given);
  return refuse('quant_method', `one of ${Object.keys(methods).join(', ')}`, method ?? given);
}

/** Returns what is wrong with the field, null where its weights are read rightly. */
export function checkQuantization(given: unknown): Refusal | null {
  const found = isNothing(given) ? null : read(given);
  return found && isRefusal(found) ? found : null;
}

/** Returns how matrices are stored, null where they are plain. `given` has been checked. */
export function readQuantization(given: unknown): Quantization | null {
  const found = isNothing(given) ? null : read(given);
  return found === null || isRefusal(found) ? null : found;
}

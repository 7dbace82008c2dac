// quantization_config of config.json: DeepSeek's blocks of FP8 are read, every other method is refused by its name.
//
// Weights under another method look like matrices and are not: codes need the scales of their method. Source:
// transformers' quantization_config.py and its list of methods.
import type { Refusal } from './errors.ts';

const instead = 'use the unquantized checkpoint, or a GGUF of the model in Q8_0 or Q4_0';

/** Fields beside the method, with what they must be; null: whatever they are. */
const fp8Fields: Readonly<Record<string, ((value: unknown) => boolean) | null>> = {
  quant_method: null,
  activation_scheme: (value) => value === 'dynamic',
  fmt: (value) => value === 'e4m3',
  weight_block_size: (value) => Array.isArray(value) && value.join() === '128,128',
  scale_fmt: (value) => value === 'ue8m0' || value === 'float',
  modules_to_not_convert: null,
  ignored_layers: null,
  dequantize: null,
};

/** Returns what is wrong with the field, null where its weights are read rightly. */
export function checkQuantization(given: unknown): Refusal | null {
  if (given === null || given === undefined) return null;
  const refuse = (name: string, expected: string, received: unknown): Refusal => {
    return [`quantization_config.${name}`, expected, received, instead];
  };
  const fields = given as Readonly<Record<string, unknown>>;
  const { quant_method: method, weight_block_size: block } = fields;
  if (typeof given !== 'object' || method !== 'fp8')
    return refuse('quant_method', '"fp8" in blocks of 128 x 128, the only one that is read', method ?? given);
  if (block === undefined || block === null) return refuse('weight_block_size', '[128, 128]', block);
  for (const [name, value] of Object.entries(fields)) {
    if (!Object.hasOwn(fp8Fields, name)) return refuse(name, 'nothing, because it may change the result', value);
    if (value !== null && fp8Fields[name]?.(value) === false) return refuse(name, 'what DeepSeek-V3 has', value);
  }
  return null;
}

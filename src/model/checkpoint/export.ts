// Converts weights, of a model or of another checkpoint, to tensors to be written: F32, F16, BF16, or FP8 as released.
//
// FP8: matrices of attention and feed-forward as codes with weight_scale_inv for every 128 x 128 block, edges padded by
// zeros; embedding, head, norms, router and eh_proj in BF16; the correction bias is F32 in every format. Contract: one
// tensor is in memory at a time; each is read when it is written.
import { toBf16, toF16 } from '../../kernels/index.ts';
import { asyncScope, copy, fromArray, narrow, quantizeBlocks, reshape, type Tensor } from '../../tensor/index.ts';
import { architectureFor } from '../architecture/index.ts';
import type { ModelConfig } from '../config.ts';
import { countElements, isFp8, listParameters, type Parameter } from '../parameters.ts';
import type { WeightMap } from '../weights.ts';
import { scaleSuffix } from './expected-tensors.ts';
import { readValues } from './import.ts';
import { listJoinedParts } from './model-names.ts';
import { type CheckpointPiece, listPieces } from './pieces.ts';
import type { TensorToWrite } from './safetensors.ts';
import { decode, type PlainType, type TensorEntry, type TensorSource } from './source.ts';

export type WeightFormat = 'f32' | 'f16' | 'bf16' | 'fp8';

const storedAs = { f32: 'F32', f16: 'F16', bf16: 'BF16', fp8: 'BF16' } as const;

/** A tensor of a checkpoint to be written; `read` gives its values. */
export interface TensorValues extends CheckpointPiece {
  readonly parameter: Parameter;
  readonly read: () => Promise<Float32Array>;
}

function encode(values: Float32Array, type: PlainType): Uint8Array {
  if (type === 'F32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return new Uint8Array(Uint16Array.from(values, type === 'F16' ? toF16 : toBf16).buffer);
}

async function quantize(
  values: Float32Array,
  shape: readonly number[],
): Promise<[codes: Uint8Array, scales: Uint8Array]> {
  return asyncScope(async (inside) => {
    const { codes, scales } = inside(() => quantizeBlocks(fromArray(values, shape)));
    const read = await scales.read();
    return [(await codes.read()) as Uint8Array, new Uint8Array(read.buffer, read.byteOffset, read.byteLength)];
  });
}

/** Computes a value for two readers: for the first, released after the second. */
export function sharedByTwo<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => {
    if (made === null) {
      made = make();
      return made;
    }
    const value = made;
    made = null;
    return value;
  };
}

/** The codes and scales of one matrix, quantized once. */
function asBlocks({ name, shape, read }: TensorValues): TensorToWrite[] {
  const [N, K] = shape as [number, number];
  const both = sharedByTwo(async () => quantize(await read(), shape));
  return [
    { name, type: 'F8_E4M3', shape, bytes: async () => (await both())[0] },
    {
      name: name + scaleSuffix,
      type: 'F32',
      shape: [Math.ceil(N / 128), Math.ceil(K / 128)],
      bytes: async () => (await both())[1],
    },
  ];
}

/** Returns values as the family stores them: some parameters joined to one tensor, gains without their offset. */
function asStored(config: ModelConfig, values: readonly TensorValues[]): TensorValues[] {
  const { gainOffset } = architectureFor(config);
  const joined = new Map(listJoinedParts(config).map((part) => [part.parameter.name, part]));
  const byWhole = new Map<string, TensorValues[]>();
  for (const value of values) {
    const whole = joined.get(value.name)?.whole ?? value.name;
    byWhole.set(whole, [...(byWhole.get(whole) ?? []), value]);
  }
  return [...byWhole].map(([name, parts]) => {
    const [first] = parts as [TensorValues];
    const shape = joined.get(first.name)?.shape ?? first.shape;
    const read = parts.length === 1 ? first.read : () => readAll(parts);
    if (gainOffset === 0 || first.parameter.kind !== 'gain') return { ...first, name, shape, read };
    return { ...first, read: async () => (await first.read()).map((gain) => gain - gainOffset) };
  });
}

/** Reads tensors one below another. */
async function readAll(parts: readonly TensorValues[]): Promise<Float32Array> {
  const all = new Float32Array(parts.reduce((sum, { shape }) => sum + countElements(shape), 0));
  let at = 0;
  for (const { read } of parts) {
    const values = await read();
    all.set(values, at);
    at += values.length;
  }
  return all;
}

function toTensors(config: ModelConfig, values: readonly TensorValues[], format: WeightFormat): TensorToWrite[] {
  return asStored(config, values).flatMap((value): TensorToWrite[] => {
    const { name, shape, parameter, read } = value;
    if (format === 'fp8' && isFp8(parameter)) return asBlocks(value);
    const type = parameter.kind === 'correction' ? 'F32' : storedAs[format];
    return [{ name, type, shape, bytes: async () => encode(await read(), type) }];
  });
}

async function readPiece(tensor: Tensor, { shape, offset }: CheckpointPiece): Promise<Float32Array> {
  const width = shape.at(-1) as number;
  return asyncScope(async (inside) => {
    const part = inside(() => {
      const rows = reshape(tensor, [tensor.size / width, width]);
      return copy(narrow(rows, offset / width, countElements(shape) / width));
    });
    return Float32Array.from(await part.toArray());
  });
}

function listValues(
  config: ModelConfig,
  read: (parameter: Parameter, piece: CheckpointPiece) => Promise<Float32Array>,
): TensorValues[] {
  return listParameters(config).flatMap((parameter) =>
    listPieces(parameter).map((piece) => ({ ...piece, parameter, read: () => read(parameter, piece) })),
  );
}

/** Returns a model's weights under the names of DeepSeek's and Hugging Face's checkpoints. */
export function weightValues(config: ModelConfig, weights: WeightMap): TensorValues[] {
  return listValues(config, ({ name }, piece) => readPiece(weights.get(name) as Tensor, piece));
}

/** Returns the tensors to write for a model's weights. */
export function exportWeights(config: ModelConfig, weights: WeightMap, format: WeightFormat): TensorToWrite[] {
  return toTensors(config, weightValues(config, weights), format);
}

/** Returns another checkpoint's weights under these names. Stacked experts are split. */
export function checkpointValues(config: ModelConfig, source: TensorSource): TensorValues[] {
  return listValues(config, async (parameter, piece) => {
    const own = source.entries.get(piece.name);
    if (own) return readValues(source, own);
    const range = { offset: piece.offset, length: countElements(piece.shape) };
    const stacked = source.entries.get(parameter.name) as TensorEntry;
    return decode(stacked, await source.read(parameter.name, range));
  });
}

/** Returns the tensors to write for another checkpoint in another format. */
export function convertCheckpoint(config: ModelConfig, source: TensorSource, format: WeightFormat): TensorToWrite[] {
  return toTensors(config, checkpointValues(config, source), format);
}

/** Returns config.json's quantization_config of FP8 checkpoints; null removes it. */
export function quantizationConfig(format: WeightFormat): object | null {
  return format === 'fp8'
    ? { activation_scheme: 'dynamic', fmt: 'e4m3', quant_method: 'fp8', weight_block_size: [128, 128] }
    : null;
}

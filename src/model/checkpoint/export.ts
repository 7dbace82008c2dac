// From weights, of a model or of another checkpoint, to tensors that can be written: F32, F16, BF16, or FP8 as released.
//
// FP8: matrices of attention and feed-forward as codes with weight_scale_inv for every 128 x 128 block, edges padded by
// zeros; embedding, head, norms, router and eh_proj in BF16; the correction bias stays F32 in every format. Contract:
// one tensor is in memory at a time; each is read when it is written.
import { toBf16 } from '../../kernels/index.ts';
import { asyncScope, copy, fromArray, narrow, quantiseBlocks, reshape, type Tensor } from '../../tensor/index.ts';
import type { ModelConfig } from '../config.ts';
import { isFp8 } from '../cost.ts';
import { type Parameter, parametersOf, sizeOf } from '../parameters.ts';
import type { WeightMap } from '../weights.ts';
import { scaleSuffix, valuesOf } from './import.ts';
import { type Piece, piecesOf } from './pieces.ts';
import type { TensorToWrite } from './safetensors.ts';
import { decode, type StoredType, type TensorSource } from './source.ts';

export type WeightFormat = 'f32' | 'f16' | 'bf16' | 'fp8';

const storedAs = { f32: 'F32', f16: 'F16', bf16: 'BF16', fp8: 'BF16' } as const;

/** A tensor of a checkpoint to be, with the way to its values. */
interface Values extends Piece {
  readonly parameter: Parameter;
  readonly read: () => Promise<Float32Array>;
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Rounds to binary16, nearest even; too large becomes infinity. */
export function toF16(x: number): number {
  float[0] = x;
  const u = bits[0] as number;
  const sign = (u >>> 16) & 0x8000;
  const magnitude = Math.abs(float[0] as number);
  if (Number.isNaN(magnitude)) return sign | 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | roundEven(magnitude * 2 ** 24);
  const exponent = ((u >>> 23) & 255) - 127;
  return sign | ((exponent + 15) * 1024 + roundEven(magnitude * 2 ** (10 - exponent)) - 1024);
}

function roundEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down;
}

function encode(values: Float32Array, type: StoredType): Uint8Array {
  if (type === 'F32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return new Uint8Array(Uint16Array.from(values, type === 'F16' ? toF16 : toBf16).buffer);
}

async function quantise(
  values: Float32Array,
  shape: readonly number[],
): Promise<[codes: Uint8Array, scales: Uint8Array]> {
  return asyncScope(async (inside) => {
    const { codes, scales } = inside(() => quantiseBlocks(fromArray(values, shape)));
    const read = await scales.read();
    return [(await codes.read()) as Uint8Array, new Uint8Array(read.buffer, read.byteOffset, read.byteLength)];
  });
}

/** Codes and scales of one matrix: two tensors from one reading, for they are written at different times. */
function asBlocks({ name, shape, read }: Values): TensorToWrite[] {
  const [N, K] = shape as [number, number];
  const both = async () => quantise(await read(), shape);
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

function tensorsOf(values: readonly Values[], format: WeightFormat): TensorToWrite[] {
  return values.flatMap((value): TensorToWrite[] => {
    const { name, shape, parameter, read } = value;
    if (format === 'fp8' && isFp8(parameter)) return asBlocks(value);
    const type = parameter.kind === 'correction' ? 'F32' : storedAs[format];
    return [{ name, type, shape, bytes: async () => encode(await read(), type) }];
  });
}

async function valuesOfPart(tensor: Tensor, { shape, offset }: Piece): Promise<Float32Array> {
  const width = shape.at(-1) as number;
  return asyncScope(async (inside) => {
    const part = inside(() => {
      const rows = reshape(tensor, [tensor.size / width, width]);
      return copy(narrow(rows, offset / width, sizeOf(shape) / width));
    });
    return Float32Array.from(await part.toArray());
  });
}

/** The tensors of a model's weights, under the names of DeepSeek's and Hugging Face's checkpoints. */
export function exportWeights(config: ModelConfig, weights: WeightMap, format: WeightFormat): TensorToWrite[] {
  const values = parametersOf(config).flatMap((parameter) =>
    piecesOf(parameter).map((piece): Values => {
      const tensor = weights.get(parameter.name) as Tensor;
      return { ...piece, parameter, read: () => valuesOfPart(tensor, piece) };
    }),
  );
  return tensorsOf(values, format);
}

/** The same tensors of another checkpoint in another format. Stacked experts are taken apart. */
export function convertCheckpoint(config: ModelConfig, source: TensorSource, format: WeightFormat): TensorToWrite[] {
  const values = parametersOf(config).flatMap((parameter) =>
    piecesOf(parameter).map((piece): Values => {
      const own = source.entries.get(piece.name);
      const whole = source.entries.get(parameter.name);
      const read = async () => {
        if (own) return valuesOf(source, own);
        const range = { offset: piece.offset, length: sizeOf(piece.shape) };
        return decode(whole as NonNullable<typeof whole>, await source.read(parameter.name, range));
      };
      return { ...piece, parameter, read };
    }),
  );
  return tensorsOf(values, format);
}

/** config.json's quantization_config of FP8 checkpoints; null takes it away. */
export function quantizationConfig(format: WeightFormat): object | null {
  return format === 'fp8'
    ? { activation_scheme: 'dynamic', fmt: 'e4m3', quant_method: 'fp8', weight_block_size: [128, 128] }
    : null;
}

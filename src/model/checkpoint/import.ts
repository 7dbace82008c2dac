// Loads a model's weights from a checkpoint, a tensor at a time, and reports on every tensor of the checkpoint.
//
// Contract: memory beyond the weights is one tensor of the checkpoint. FP8 blocks (weight with its
// weight_scale_inv, which despite its name multiplies; README_WEIGHTS) are decoded by the device's own kernel.
import { toBf16 } from '../../kernels/index.ts';
import {
  asyncScope,
  dequantizeBlocks,
  formatShape,
  fromArray,
  keep,
  narrow,
  reshape,
  scope,
  type Tensor,
  zeros,
} from '../../tensor/index.ts';
import type { ModelConfig } from '../config.ts';
import { joinWeights } from '../fusion.ts';
import { countElements, listParameters, type Parameter } from '../parameters.ts';
import { CheckpointError } from './errors.ts';
import { expectTensors, reasonToIgnore, scaleSuffix, sourcePieces } from './expected-tensors.ts';
import type { CheckpointPiece } from './pieces.ts';
import { decode, type TensorEntry, type TensorSource } from './source.ts';

export interface ImportedTensor {
  readonly name: string;
  /** used: as stored; converted: to another format; ignored: not needed */
  readonly how: 'used' | 'converted' | 'ignored';
  readonly why: string;
}

function expectPiece(source: TensorSource, { name, shape }: CheckpointPiece): TensorEntry {
  const entry = source.entries.get(name);
  const expected = formatShape(shape);
  const received = entry && formatShape(entry.shape);
  if (received === expected) return entry as TensorEntry;
  const file = (entry ?? source.entries.values().next().value)?.file ?? 'checkpoint';
  const problem = received ? `${name}: expected ${expected}, received ${received}` : `${name} ${expected} is missing`;
  throw new CheckpointError(file, problem, 'check that config.json belongs to the weights');
}

/** Multiplies codes by the scale of their 128 x 128 block. */
async function decodeBlocks(source: TensorSource, entry: TensorEntry): Promise<Float32Array> {
  const [N, K] = entry.shape as [number, number];
  const shape = [Math.ceil(N / 128), Math.ceil(K / 128)];
  const scale = expectPiece(source, { name: entry.name + scaleSuffix, shape, offset: 0 });
  const [codes, scales] = [await source.read(entry.name), decode(scale, await source.read(scale.name))];
  return asyncScope(async (inside) => {
    const values = inside(() =>
      dequantizeBlocks({ codes: fromArray(codes, entry.shape, { dtype: 'e4m3' }), scales: fromArray(scales, shape) }),
    );
    return (await values.read()) as Float32Array;
  });
}

/** Reads a checkpoint tensor's values, with FP8 blocks decoded. */
export async function readValues(source: TensorSource, entry: TensorEntry): Promise<Float32Array> {
  if (entry.type === 'F8_E4M3' && source.entries.has(entry.name + scaleSuffix)) return decodeBlocks(source, entry);
  return decode(entry, await source.read(entry.name));
}

/** Returns a view of a piece's rows in its parameter. */
function place(tensor: Tensor, { shape, offset }: CheckpointPiece): Tensor {
  const width = shape.at(-1) as number;
  return narrow(reshape(tensor, [tensor.size / width, width]), offset / width, countElements(shape) / width);
}

export interface ImportOptions {
  /** The type of matrices; gains and biases are f32. @default bf16 where all are stored in BF16 or FP8, else f32 */
  readonly dtype?: 'f32' | 'bf16';
  readonly progress?: (done: number, total: number) => void;
}

export function plainFormat(source: TensorSource): 'f32' | 'bf16' {
  const matrices = [...source.entries.values()].filter((e) => e.shape.length > 1 && !e.name.endsWith(scaleSuffix));
  return matrices.every(({ type }) => type === 'BF16' || type === 'F8_E4M3') ? 'bf16' : 'f32';
}

/**
 * Loads one parameter onto the current device, matrices in `dtype`; the caller disposes it. `report` receives how each
 * of its pieces was used.
 */
export async function importParameter(
  source: TensorSource,
  parameter: Parameter,
  dtype: 'f32' | 'bf16',
  report: ImportedTensor[],
): Promise<Tensor> {
  const target = parameter.kind === 'matrix' ? dtype : 'f32';
  const tensor = keep(zeros(parameter.shape, { dtype: target }));
  try {
    for (const piece of sourcePieces(parameter, source)) {
      const entry = expectPiece(source, piece);
      const isStored = entry.type === 'BF16' && target === 'bf16';
      const bytes = isStored ? await source.read(piece.name) : null;
      const values = bytes ? null : await readValues(source, entry);
      const codes = bytes ? new Uint16Array(bytes.slice().buffer) : encode(values as Float32Array, target);
      write(tensor, piece, codes);
      const isUsed = isStored || (entry.type === 'F32' && target === 'f32');
      const how = isUsed ? 'used' : 'converted';
      report.push({ name: piece.name, how, why: isUsed ? '' : `${entry.type} to ${target}` });
      if (entry.type === 'F8_E4M3' && source.entries.has(piece.name + scaleSuffix))
        report.push({ name: piece.name + scaleSuffix, how: 'used', why: 'scales of the FP8 blocks' });
    }
  } catch (error) {
    tensor.dispose();
    throw error;
  }
  return tensor;
}

/**
 * Loads the weights of `config` onto the current device; the caller disposes them. The report names every tensor of the
 * checkpoint. Throws CheckpointError for missing, misshapen, and unknown tensors.
 */
export async function importWeights(
  config: ModelConfig,
  source: TensorSource,
  { dtype = plainFormat(source), progress = () => undefined }: ImportOptions = {},
): Promise<{ weights: Map<string, Tensor>; report: ImportedTensor[] }> {
  const weights = new Map<string, Tensor>();
  const report: ImportedTensor[] = [];
  const parameters = listParameters(config);
  await expectTensors(config, source);
  try {
    for (const [i, parameter] of parameters.entries()) {
      weights.set(parameter.name, await importParameter(source, parameter, dtype, report));
      progress(i + 1, parameters.length);
    }
  } catch (error) {
    for (const tensor of weights.values()) tensor.dispose();
    throw error;
  }
  joinWeights(config, weights);
  return { weights, report: [...report, ...listIgnored(config, source, report)] };
}

/** Lists the tensors of a checkpoint that no parameter of the configuration uses. */
export function listIgnored(
  config: ModelConfig,
  source: TensorSource,
  taken: readonly { name: string }[],
): ImportedTensor[] {
  const known = new Set(taken.map(({ name }) => name));
  const rest = [...source.entries.keys()].filter((name) => !known.has(name));
  return rest.map((name) => {
    const isScale = name.endsWith(scaleSuffix);
    const whose = isScale ? name.slice(0, -scaleSuffix.length) : name;
    return { name, how: 'ignored', why: reasonToIgnore(whose, config, source) ?? 'unknown' };
  });
}

/** Lists what a conversion leaves out of a checkpoint, and why. */
export function ignoredTensors(config: ModelConfig, source: TensorSource): ImportedTensor[] {
  const names = listParameters(config).flatMap((parameter) => sourcePieces(parameter, source));
  return listIgnored(config, source, [...names, ...names.map(({ name }) => ({ name: name + scaleSuffix }))]);
}

function encode(values: Float32Array, target: 'f32' | 'bf16'): Float32Array | Uint16Array {
  return target === 'f32' ? values : Uint16Array.from(values, toBf16);
}

function write(tensor: Tensor, piece: CheckpointPiece, codes: Float32Array | Uint16Array): void {
  scope(() => place(tensor, piece).write(codes));
}

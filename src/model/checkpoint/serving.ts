// Loads a checkpoint for serving: matrices packed and fused (fusion.ts), one after another.
//
// Contract: memory beyond the packed weights is the largest matrix. Formats: packing.ts; a file in ggml's blocks is
// served in them, each weight in its own (stored-weights.ts), the embedding too; what kernels do not read is bf16.
// The halves of kv_b_proj are bf16 where the model is FP8, as DeepSeek's own code reads them.
import { isBlocks } from '../../kernels/index.ts';
import {
  concat,
  isPackable,
  keep,
  type PackableFormat,
  type PackedWeight,
  packWeight,
  scope,
  type Tensor,
  type Weight,
} from '../../tensor/index.ts';
import { isMla, type MlaConfig, type ModelConfig } from '../config.ts';
import { splitKvB } from '../mla.ts';
import { fittingFormat, listJoinedWeights, packedFormat } from '../packing.ts';
import type { Parameter } from '../parameters.ts';
import { expectTensors, sourcePieces } from './expected-tensors.ts';
import { type ImportedTensor, importParameter, listIgnored, plainFormat } from './import.ts';
import { isInBlocks, type TensorSource } from './source.ts';
import { joinedAsStored, packStored, toStoredFormat } from './stored-weights.ts';

/** A format for all matrices, or each in the blocks of the file. */
export type ServingFormat = PackableFormat | 'stored';

export interface ServingOptions {
  /** The format of matrices. @default the checkpoint's: ggml's blocks as they are stored, fp8, else bf16 or f32 */
  readonly format?: ServingFormat;
  readonly progress?: (done: number, total: number) => void;
}

/** Returns the format that the matrices of a checkpoint are stored in. */
export function storedFormat(source: TensorSource): ServingFormat {
  const stored = [...source.entries.values()].filter(({ shape }) => shape.length > 1).map(({ type }) => type);
  if (stored.includes('F8_E4M3')) return 'fp8';
  return stored.some(isInBlocks) ? 'stored' : plainFormat(source);
}

/**
 * Loads the weights of `config` onto the current device, ready to serve; the caller disposes them. The report names
 * every tensor of the checkpoint. Throws CheckpointError for missing, misshapen, and unknown tensors.
 */
export async function servingWeights(
  config: ModelConfig,
  source: TensorSource,
  { format = storedFormat(source), progress = () => undefined }: ServingOptions = {},
): Promise<{ weights: Map<string, Weight>; report: ImportedTensor[] }> {
  const weights = new Map<string, Weight>();
  const report: ImportedTensor[] = [];
  try {
    for await (const [name, weight] of eachServed(config, source, { format, progress }, report))
      weights.set(name, weight);
  } catch (error) {
    for (const weight of weights.values()) weight.dispose();
    throw error;
  }
  return { weights, report: [...report, ...listIgnored(config, source, report)] };
}

/** Loads these weights one after another; the caller disposes each. `report` receives how each tensor was used. */
export async function* eachServed(
  config: ModelConfig,
  source: TensorSource,
  { format = storedFormat(source), progress = () => undefined }: ServingOptions,
  report: ImportedTensor[],
): AsyncGenerator<[name: string, weight: Weight]> {
  await expectTensors(config, source);
  const groups =
    format === 'stored' ? joinedAsStored(source, listJoinedWeights(config, 'f32')) : listJoinedWeights(config, format);
  for (const [i, group] of groups.entries()) {
    const [first] = group.parts as [Parameter];
    const own = format === 'stored' ? toStoredFormat(source, group.parts) : inBlocks(first, format);
    const isTable = first.group === 'embedding' && !isBlocks(own);
    const stored = isTable ? null : await packStored(source, group.parts, own, report);
    if (stored) yield [group.name, stored];
    else {
      const parts: Tensor[] = [];
      const dtype = format === 'stored' && own !== 'f32' ? 'bf16' : plainDType(source, group.parts);
      for (const part of group.parts) parts.push(await importParameter(source, part, dtype, report));
      const fallback = isPackable(own) && format !== 'stored' ? own : dtype;
      yield* toServedWeights(config, group, parts, fallback);
    }
    progress(i + 1, groups.length);
  }
}

/** Returns the format of a parameter where the model's is int8 or int4; any other format as it is. */
function inBlocks(parameter: Parameter, format: PackableFormat): PackableFormat {
  return isBlocks(format) ? packedFormat(parameter, format) : format;
}

/** Returns bf16 where all pieces are stored so, which avoids a conversion; else f32. */
function plainDType(source: TensorSource, parts: readonly Parameter[]): 'f32' | 'bf16' {
  const pieces = parts.flatMap((part) => sourcePieces(part, source));
  return pieces.every(({ name }) => source.entries.get(name)?.type === 'BF16') ? 'bf16' : 'f32';
}

/** Packs one weight; its parts are disposed unless they serve as they are. */
function toServedWeights(
  config: ModelConfig,
  { name, parts }: { name: string; parts: readonly Parameter[] },
  tensors: readonly Tensor[],
  format: PackableFormat,
): [string, Weight][] {
  const [parameter] = parts as [Parameter];
  const [first] = tensors as [Tensor];
  const isTable = parameter.group === 'embedding' && !isBlocks(packedFormat(parameter, format));
  if (isTable && !config.tieWordEmbeddings) return [[name, first]];
  if (isTable)
    return [
      [name, first],
      ['lm_head.weight', pack([first], format, parameter)],
    ];
  if (parameter.kind !== 'matrix') return [[name, joined(tensors)]];
  const own: [string, Weight][] = [[name, pack(tensors, format, parameter)]];
  if (name.endsWith('.kv_b_proj.weight') && isMla(config)) own.push(...halves(config, name, first, format));
  for (const tensor of tensors) tensor.dispose();
  return own;
}

function pack(tensors: readonly Tensor[], format: PackableFormat, parameter: Parameter): PackedWeight {
  return keep(packWeight(tensors, packedFormat(parameter, format)));
}

/** Packs the halves of kv_b_proj for the absorbed form: in bf16 where the model is FP8. */
function halves(config: MlaConfig, name: string, kvBProj: Tensor, format: PackableFormat): [string, Weight][] {
  const own = format === 'fp8' ? 'bf16' : format;
  const prefix = name.slice(0, -'kv_b_proj.weight'.length);
  return scope(() => {
    const { keys, values } = splitKvB(config, kvBProj);
    const packed = (w: Tensor) => keep(packWeight([w], fittingFormat(w.shape[2], own)));
    return [
      [`${prefix}k_b_proj`, packed(keys)],
      [`${prefix}v_b_proj`, packed(values)],
    ];
  });
}

/** Concatenates biases. */
function joined(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors as [Tensor];
  if (tensors.length === 1) return first;
  const whole = keep(concat(tensors));
  for (const tensor of tensors) tensor.dispose();
  return whole;
}

// Checkpoint folders in Hugging Face's layout: config.json, and weights in one file or in shards with an index.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { architectureFor, describeBlocks } from '../architecture/index.ts';
import { type ModelConfig, readConfig, withoutModules } from '../config.ts';
import { readQuantization } from '../quantization-config.ts';
import { findAdapter, withAdapter } from './adapter.ts';
import { writeJson } from './binary-file.ts';
import { CheckpointError } from './errors.ts';
import { readJson } from './json.ts';
import { withModelNames } from './model-names.ts';
import { withPlainMatrices } from './quantized.ts';
import { isReady, readyFile } from './ready-format.ts';
import { byteLength, openSafetensors, type TensorToWrite, writeSafetensors } from './safetensors.ts';
import { findEntry, type TensorEntry, type TensorSource } from './source.ts';

const single = 'model.safetensors';
const index = 'model.safetensors.index.json';

/** Files beside the weights that say that these are not to be read as they are. */
const foreignFiles: readonly [file: string, problem: string, remedy: string][] = [
  ['hf_quant_config.json', 'is quantized by ModelOpt, which is not read', 'use the unquantized checkpoint'],
  ['quantize_config.json', 'is quantized by GPTQ, and config.json does not say how', 'name it in quantization_config'],
  ['quant_config.json', 'is quantized by AWQ, and config.json does not say how', 'name it in quantization_config'],
];

/** Weights of other formats, by the beginnings of their names. */
const otherWeights = /^(pytorch_model|consolidated|tf_model|flax_model|model.*\.(bin|pt|pth)$)/;

/** Whether config.json says how matrices are quantized, so that another file may say it too. */
function isDeclared(folder: string): boolean {
  const file = join(folder, 'config.json');
  const { quantization_config: given } = (existsSync(file) ? (readJson(file) ?? {}) : {}) as Record<string, unknown>;
  return given !== undefined && given !== null;
}

function expectNative(folder: string): void {
  for (const [file, problem, remedy] of foreignFiles)
    if (existsSync(join(folder, file)) && !isDeclared(folder))
      throw new CheckpointError(folder, `${problem} (${file})`, remedy);
  if (existsSync(join(folder, index)) && existsSync(join(folder, single)))
    throw new CheckpointError(folder, `holds both ${single} and ${index}`, 'remove the one that is out of date');
}

/** Returns the path of a folder's config.json: that of its base where it holds an adapter. */
export function findConfigFile(folder: string): string {
  return join(findAdapter(folder)?.base ?? folder, 'config.json');
}

/** Returns matrices that are quantized as plain ones, but FP8 in blocks, which is served as it is stored. */
function withPlainWeights(config: ModelConfig, source: TensorSource): TensorSource {
  const quantization = readQuantization(config.extra.quantization_config);
  if (quantization === null) return source;
  const isJoined = Object.keys(architectureFor(config).joined).length > 0; // parts are no whole blocks
  const isStored = quantization.scheme === 'blocks' && !isJoined;
  return isStored
    ? source
    : withPlainMatrices(
        { ...quantization, scheme: quantization.scheme === 'blocks' ? 'scaled' : quantization.scheme },
        source,
      );
}

/**
 * Opens the tensors of a folder, or of one .safetensors file, as the model names and reads them: an adapter merged into
 * its base, matrices of other programs decoded. Only headers are read.
 */
export async function openCheckpoint(path: string): Promise<TensorSource> {
  const adapter = path.endsWith('.safetensors') ? null : findAdapter(path);
  const folder = adapter?.base ?? path;
  const file = join(folder, 'config.json');
  const source = await openTensors(folder);
  if (path.endsWith('.safetensors') || !existsSync(file)) return source;
  try {
    const config = readConfig(readJson(file), file);
    const plain = withPlainWeights(config, source);
    return withModelNames(config, adapter ? await withAdapter(adapter, plain) : plain);
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** Opens a model's folder. `notice` is called with what config.json counts and the weights lack. */
export async function openModelFolder(
  path: string,
  notice: (text: string) => void = () => undefined,
): Promise<{ config: ModelConfig; source: TensorSource }> {
  const file = findConfigFile(path);
  const config = readConfig(readJson(file), file);
  const source = await openCheckpoint(path);
  const { mtpModules } = describeBlocks(config);
  const { numHiddenLayers: L } = config;
  if (mtpModules === 0 || source.entries.has(`model.layers.${L}.eh_proj.weight`)) return { config, source };
  notice(`${file} counts ${mtpModules} MTP modules, the weights have none: they are left out`);
  return { config: withoutModules(config), source };
}

/** Opens the tensors of a folder, or of one .safetensors file, as they are stored. Only headers are read. */
export async function openTensors(path: string): Promise<TensorSource> {
  if (path.endsWith('.safetensors')) return openSafetensors(path);
  expectNative(path);
  if (existsSync(join(path, index))) return openShards(path);
  if (existsSync(join(path, single))) return openSafetensors(join(path, single));
  if (isReady(path))
    throw new CheckpointError(
      path,
      `holds only ${readyFile}, weights packed for serving`,
      'chat and serve open it; for anything else use the checkpoint that it was made from',
    );
  const other = findOtherWeights(path);
  if (other !== undefined)
    throw new CheckpointError(path, `holds ${other}, which is not read`, 'save the model as safetensors');
  throw new CheckpointError(path, `holds neither ${single} nor ${index}`, 'give a checkpoint folder');
}

function findOtherWeights(folder: string): string | undefined {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) return undefined;
  return readdirSync(folder).find((file) => otherWeights.test(file));
}

function readWeightMap(folder: string): Map<string, string> {
  const path = join(folder, index);
  const { weight_map: map } = (readJson(path) ?? {}) as { weight_map?: unknown };
  if (typeof map !== 'object' || map === null)
    throw new CheckpointError(path, 'weight_map: expected file names by tensor', 'fetch the index again');
  for (const [name, file] of Object.entries(map))
    if (typeof file !== 'string' || basename(file) !== file || file.startsWith('.'))
      throw new CheckpointError(
        path,
        `${name}: ${JSON.stringify(file)} is not a file of this folder`,
        'fetch the index again',
      );
  return new Map(Object.entries(map as Record<string, string>));
}

async function openShards(folder: string): Promise<TensorSource> {
  const map = readWeightMap(folder);
  const shards = new Map<string, TensorSource>();
  const close = async () => {
    for (const shard of shards.values()) await shard.close();
  };
  try {
    for (const file of new Set(map.values())) shards.set(file, await openSafetensors(join(folder, file)));
    const entries = new Map<string, TensorEntry>();
    for (const [name, file] of map) {
      const entry = shards.get(file)?.entries.get(name);
      if (!entry)
        throw new CheckpointError(
          join(folder, file),
          `${name}: the index says it is here`,
          'fetch index and shard again',
        );
      entries.set(name, entry);
    }
    for (const [file, shard] of shards)
      for (const name of shard.entries.keys())
        if (map.get(name) !== file)
          throw new CheckpointError(join(folder, file), `${name}: not in the index`, 'fetch index and shard again');
    return {
      entries,
      read: async (name, range) => (shards.get(findEntry(map, name, folder)) as TensorSource).read(name, range),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function splitIntoShards(tensors: readonly TensorToWrite[], shardBytes: number): TensorToWrite[][] {
  const shards: TensorToWrite[][] = [];
  let room = 0;
  for (const tensor of tensors) {
    const bytes = byteLength(tensor);
    if (shards.length === 0 || bytes > room) {
      shards.push([]);
      room = shardBytes;
    }
    (shards.at(-1) as TensorToWrite[]).push(tensor);
    room -= bytes;
  }
  return shards;
}

export interface WriteOptions {
  /** Bytes of a shard. @default 5 GB, as Hugging Face */
  readonly shardBytes?: number;
  readonly written?: (bytes: number) => void;
}

/** Writes config.json and the weights; the index comes last, so that it never names a missing shard. */
export async function writeCheckpoint(
  folder: string,
  config: object,
  tensors: readonly TensorToWrite[],
  { shardBytes = 5e9, written }: WriteOptions = {},
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeJson(join(folder, 'config.json'), config);
  const shards = splitIntoShards(tensors, shardBytes);
  if (shards.length <= 1) return writeSafetensors(join(folder, single), tensors, written);
  const number = (n: number) => String(n).padStart(5, '0');
  const map: Record<string, string> = {};
  for (const [i, shard] of shards.entries()) {
    const file = `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`;
    await writeSafetensors(join(folder, file), shard, written);
    for (const { name } of shard) map[name] = file;
  }
  const total = tensors.reduce((sum, tensor) => sum + byteLength(tensor), 0);
  await writeJson(join(folder, index), { metadata: { total_size: total }, weight_map: map });
}

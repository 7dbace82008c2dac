// Checkpoint folders in Hugging Face's layout: config.json, and weights in one file or in shards with an index.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { FileError, readJsonFile } from '../../untrusted/index.ts';
import { writeJson } from './binary-file.ts';
import { CheckpointError } from './errors.ts';
import { isReady, readyFile } from './ready-format.ts';
import { byteLength, openSafetensors, type TensorToWrite, writeSafetensors } from './safetensors.ts';
import { findEntry, type TensorEntry, type TensorSource } from './source.ts';

const single = 'model.safetensors';
const index = 'model.safetensors.index.json';

/** The index of DeepSeek-V3's 163 shards has 9 MB. */
const maxJsonBytes = 2 ** 26;

/**
 * Parses a JSON file of a checkpoint. Throws CheckpointError when it is missing, not a file, too large or deep, or not
 * JSON.
 */
export function readJson(path: string): unknown {
  try {
    const json = readJsonFile(path, { maxBytes: maxJsonBytes, followsLinks: true });
    if (json === undefined) throw new CheckpointError(path, 'is missing', 'check the folder');
    return json;
  } catch (error) {
    if (error instanceof FileError) throw new CheckpointError(path, error.problem, error.remedy);
    throw error;
  }
}

/** Files beside the weights that say that these are not to be read as they are. */
const foreignFiles: readonly [file: string, problem: string, remedy: string][] = [
  ['adapter_config.json', 'holds an adapter', 'merge the adapter into its base model, and open the result'],
  ['hf_quant_config.json', 'is quantized by ModelOpt, which is not read', 'use the unquantized checkpoint'],
  ['quantize_config.json', 'is quantized by GPTQ, which is not read', 'use the unquantized checkpoint'],
  ['quant_config.json', 'is quantized by AWQ, which is not read', 'use the unquantized checkpoint'],
];

/** Weights of other formats, by the beginnings of their names. */
const otherWeights = /^(pytorch_model|consolidated|tf_model|flax_model|model.*\.(bin|pt|pth)$)/;

function expectNative(folder: string): void {
  for (const [file, problem, remedy] of foreignFiles)
    if (existsSync(join(folder, file))) throw new CheckpointError(folder, `${problem} (${file})`, remedy);
  if (existsSync(join(folder, index)) && existsSync(join(folder, single)))
    throw new CheckpointError(folder, `holds both ${single} and ${index}`, 'remove the one that is out of date');
}

/** Opens the tensors of a folder, or of one .safetensors file. Only headers are read. */
export async function openCheckpoint(path: string): Promise<TensorSource> {
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

// Checkpoint folders in Hugging Face's layout: config.json, and weights in one file or in shards with an index.
import { existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { writeJson } from './binary-file.ts';
import { CheckpointError } from './errors.ts';
import { isReady, readyFile } from './ready-format.ts';
import { byteLength, openSafetensors, type TensorToWrite, writeSafetensors } from './safetensors.ts';
import { findEntry, type TensorEntry, type TensorSource } from './source.ts';

const single = 'model.safetensors';
const index = 'model.safetensors.index.json';

/** Parses a JSON file of a checkpoint. Throws CheckpointError when it is missing or not JSON. */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new CheckpointError(
      path,
      missing ? 'is missing' : `is not JSON (${(error as Error).message})`,
      'check the folder',
    );
  }
}

/** Opens the tensors of a folder, or of one .safetensors file. Only headers are read. */
export async function openCheckpoint(path: string): Promise<TensorSource> {
  if (path.endsWith('.safetensors')) return openSafetensors(path);
  if (existsSync(join(path, index))) return openShards(path);
  if (existsSync(join(path, single))) return openSafetensors(join(path, single));
  if (isReady(path))
    throw new CheckpointError(
      path,
      `holds only ${readyFile}, weights packed for serving`,
      'chat and serve open it; for anything else use the checkpoint that it was made from',
    );
  throw new CheckpointError(path, `holds neither ${single} nor ${index}`, 'give a checkpoint folder');
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

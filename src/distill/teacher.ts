// The teacher: an answerer with a name and a checksum for the lineage.
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { hashFile } from '../corpus/index.ts';
import { isAddress, type OpenedAnswerer, openAnswerer } from '../eval/index.ts';
import type { Device } from '../kernels/index.ts';
import type { CollectionConfig } from './distill-recipe.ts';

export interface Teacher extends OpenedAnswerer {
  /** sha256 of its weights; null behind an API, and where they are split into several files. */
  readonly weights: string | null;
}

export async function openTeacher({ teacher, api, traces }: CollectionConfig, device: Device): Promise<Teacher> {
  const { model, keyVariable, attempts, waitMs, timeoutMs } = api;
  const weights = isAddress(teacher) ? null : await hashOfWeights(teacher);
  const key = process.env[keyVariable] ?? null;
  const opened = await openAnswerer(teacher, {
    engine: { device, name: basename(teacher), maxWaiting: 2 * traces.parallel * traces.samples },
    api: { model, key, keySource: keyVariable, attempts, waitMs, timeoutMs },
  });
  return { ...opened, weights };
}

/** sha256 of a checkpoint's weights; null where they are split into several files. */
export async function hashOfWeights(path: string): Promise<string | null> {
  if (path.endsWith('.gguf')) return hashFile(path);
  const files = readdirSync(path).filter((name) => /^model.*\.safetensors$/.test(name));
  return files.length === 1 ? hashFile(join(path, files[0])) : null;
}

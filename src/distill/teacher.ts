// The teacher: an answerer with a name and a checksum for the lineage.
import { basename } from 'node:path';
import { isAddress, type OpenedAnswerer, openAnswerer } from '../eval/index.ts';
import type { Device } from '../kernels/index.ts';
import { hashWeights } from '../train/index.ts';
import type { CollectionConfig } from './distill-recipe.ts';

export interface Teacher extends OpenedAnswerer {
  /** sha256 of its weights; null behind an API. */
  readonly weights: string | null;
}

export async function openTeacher({ teacher, api, traces }: CollectionConfig, device: Device): Promise<Teacher> {
  const { model, keyVariable, attempts, waitMs, timeoutMs } = api;
  const weights = isAddress(teacher) ? null : await hashWeights(teacher);
  const key = process.env[keyVariable] ?? null;
  const opened = await openAnswerer(teacher, {
    engine: { device, name: basename(teacher), maxWaiting: 2 * traces.parallel * traces.samples },
    api: { model, key, keySource: keyVariable, attempts, waitMs, timeoutMs },
  });
  return { ...opened, weights };
}

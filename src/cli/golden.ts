// The golden logits beside a model: minke convert writes them, minke verify checks them.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describeMemory } from '../kernels/index.ts';
import { formatSize, sum } from '../math/index.ts';
import {
  CheckpointError,
  compareGolden,
  computeGolden,
  type GoldenLogits,
  goldenSchema,
  readJson,
  servingWeights,
  writeJson,
} from '../model/checkpoint/index.ts';
import { createModel } from '../model/index.ts';
import { useDevice } from '../tensor/index.ts';
import { openForReading } from './find-config.ts';
import { openDeviceForLongWork } from './long-work.ts';

/** Returns where the golden logits of a folder, or of a .gguf file, are. */
export function goldenPath(path: string): string {
  return path.endsWith('.gguf') ? `${path}.golden.json` : join(path, 'golden.json');
}

/** Computes the logits of a model as it is served, on the current device; says why not where it cannot. */
async function compute(path: string, ids?: readonly number[]): Promise<GoldenLogits | string> {
  const { config, source } = await openForReading(path);
  try {
    const files = new Set([...source.entries.values()].map(({ file }) => file));
    const bytes = sum([...files].map((file) => statSync(file).size));
    const { freeBytes } = describeMemory();
    if (bytes > freeBytes) return `${formatSize(bytes)} of weights do not fit into the ${formatSize(freeBytes)} free`;
    const { weights } = await servingWeights(config, source);
    const model = createModel(config, weights, (ids?.length ?? 16) + 1);
    try {
      return (await computeGolden(model, ids)) ?? 'some are not finite';
    } finally {
      model.dispose();
      for (const weight of weights.values()) weight.dispose();
    }
  } finally {
    await source.close();
  }
}

/** Writes the golden logits of a model that was converted. Returns a line about them. */
export async function writeGolden(path: string): Promise<string> {
  const golden = await compute(path);
  if (typeof golden === 'string') return `no golden logits: ${golden}`;
  await writeJson(goldenPath(path), golden);
  return `golden logits of ${golden.ids.length} tokens in ${goldenPath(path)}`;
}

/** Checks a model against its golden logits, if any. Returns a line; throws CheckpointError where they differ. */
export async function checkGolden(path: string): Promise<string> {
  const file = goldenPath(path);
  if (!existsSync(file)) return 'logits: none are recorded (minke convert records them)';
  const parsed = goldenSchema.safeParse(readJson(file));
  if (!parsed.success) throw new CheckpointError(file, 'has no golden logits', 'remove it, or convert the model again');
  const device = await openDeviceForLongWork();
  useDevice(device);
  const own = await compute(path, parsed.data.ids).finally(() => device.close());
  if (typeof own === 'string') return `logits: not compared: ${own}`;
  const { text, agrees } = compareGolden(parsed.data, own);
  if (agrees) return `logits: ${text}`;
  const remedy = 'these are not the weights that were written: fetch them again, or convert the model again';
  throw new CheckpointError(file, text, remedy);
}

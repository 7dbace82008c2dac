// Checkpoints of a run: Hugging Face's layout plus moments, position in the data and checksums.
//
// Contract: a checkpoint is written aside, every file flushed, then the folder renamed: a folder named step-N is
// complete. Its files are checked against training.json before they are used; a damaged checkpoint is reported, and the
// one before it is used. Weights and moments come back to the bit. Each folder is a model by itself: config.json,
// model.safetensors, tokenizer, lineage.json.
import { createHash } from 'node:crypto';
import { createReadStream, lstatSync, readdirSync } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import {
  CheckpointError,
  exportWeights,
  openSafetensors,
  type TensorToWrite,
  writeCheckpoint,
  writeJson,
  writeSafetensors,
} from '../../model/checkpoint/index.ts';
import { type ModelConfig, type WeightMap, writeConfig } from '../../model/index.ts';
import type { Tensor } from '../../tensor/index.ts';
import { TrainError } from '../errors.ts';
import type { Optimizer } from '../optimizer.ts';
import { checkpointName } from './description.ts';
import { describeIssue, readRunJson } from './run-file.ts';
import { asWriteFailure } from './write-failure.ts';

const stateFile = 'training.json';
const momentsFile = 'optimizer.safetensors';
const weightsFile = 'model.safetensors';

const schema = z.object({
  step: z.number().int().nonnegative(),
  tokens: z.number().int().nonnegative(),
  /** Position in the data: JSON that the trainer reads. */
  data: z.unknown(),
  files: z.record(z.string(), z.object({ bytes: z.number(), sha256: z.string() })),
});

export type SavedState = z.infer<typeof schema>;

export interface Checkpoint {
  readonly folder: string;
  readonly state: SavedState;
}

async function digest(path: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(path)) hash.update(part);
  return { bytes: (await stat(path)).size, sha256: hash.digest('hex') };
}

async function flush(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  await handle.sync();
  await handle.close();
}

function toTensors(optimizer: Optimizer): TensorToWrite[] {
  const bytes = async (tensor: Tensor) => {
    const data = await tensor.read();
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  };
  return [...optimizer.moments].map(([name, tensor]): TensorToWrite => {
    const type = tensor.dtype === 'bf16' ? 'BF16' : 'F32';
    return { name, type, shape: tensor.shape, bytes: () => bytes(tensor) };
  });
}

export interface CheckpointContent {
  readonly config: ModelConfig;
  readonly weights: WeightMap;
  readonly optimizer: Optimizer;
  readonly step: number;
  readonly tokens: number;
  readonly data: unknown;
  /** Writes what belongs beside the weights (tokenizer, lineage) into the folder. */
  writeBeside(folder: string, weightsSha256: string): Promise<void> | void;
}

export const checkpointFolder = (run: string, step: number) => join(run, 'checkpoints', checkpointName(step));

/** Writes a checkpoint of a run and removes older ones beyond `keep`, but not that of the step `best`. */
export async function saveCheckpoint(
  run: string,
  content: CheckpointContent,
  keep: number,
  best: number | null = null,
): Promise<Checkpoint & { sha256: string }> {
  const folder = checkpointFolder(run, content.step);
  const aside = join(run, 'checkpoints', 'writing');
  try {
    await rm(aside, { recursive: true, force: true });
    await mkdir(aside, { recursive: true });
    const { config, weights, optimizer, step, tokens, data } = content;
    const tensors = exportWeights(config, weights, 'f32');
    const file = { ...writeConfig(config), torch_dtype: 'float32' };
    await writeCheckpoint(aside, file, tensors, { shardBytes: Number.POSITIVE_INFINITY });
    await writeSafetensors(join(aside, momentsFile), toTensors(optimizer));
    const { sha256 } = await digest(join(aside, weightsFile));
    await content.writeBeside(aside, sha256);
    const files: SavedState['files'] = {};
    for (const name of readdirSync(aside)) {
      await flush(join(aside, name));
      files[name] = await digest(join(aside, name));
    }
    const state = { step, tokens, data, files };
    await writeJson(join(aside, stateFile), state);
    await rm(folder, { recursive: true, force: true });
    await rename(aside, folder);
    await flush(join(run, 'checkpoints'));
    const kept = best === null ? null : checkpointFolder(run, best);
    for (const old of stepFolders(run).slice(keep)) if (old !== kept) await rm(old, { recursive: true, force: true });
    return { folder, state, sha256 };
  } catch (error) {
    await rm(aside, { recursive: true, force: true }).catch(() => undefined);
    // Earlier checkpoints are untouched; the name of the folder written aside says nothing to the user.
    throw asWriteFailure(error, run);
  }
}

/** Lists the folders of whole checkpoints, latest first. */
function stepFolders(run: string): string[] {
  const root = join(run, 'checkpoints');
  if (lstatSync(root, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  const names = readdirSync(root).filter((name) => /^step-\d{8,}$/.test(name));
  return names
    .sort()
    .reverse()
    .map((name) => join(root, name));
}

/** Whether a run has a checkpoint, as far as is known without reading its weights. */
export function hasCheckpoint(run: string): boolean {
  const isFile = (path: string) => lstatSync(path, { throwIfNoEntry: false })?.isFile() === true;
  const files = [stateFile, weightsFile, 'config.json'];
  return stepFolders(run).some((folder) => files.every((file) => isFile(join(folder, file))));
}

/** Throws TrainError unless every file of a checkpoint is as it was written. */
export async function verifyCheckpoint(folder: string): Promise<Checkpoint> {
  const path = join(folder, stateFile);
  const refuse = (file: string, problem: string): never => {
    throw new TrainError(join(folder, file), problem, 'take another checkpoint of the run');
  };
  const value = readRunJson(path);
  if (value === undefined) return refuse(stateFile, 'is missing');
  const checked = schema.safeParse(value);
  if (!checked.success) return refuse(stateFile, `is not its state (${describeIssue(checked.error)})`);
  const state = checked.data;
  for (const [file, expected] of Object.entries(state.files)) {
    if (basename(file) !== file)
      refuse(stateFile, `names ${JSON.stringify(file.slice(0, 100))}, which is no file of it`);
    const there = lstatSync(join(folder, file), { throwIfNoEntry: false });
    if (there === undefined) refuse(file, 'is missing');
    if (there?.isFile() !== true) refuse(file, 'is not a file'); // a pipe would never end
    const found = await digest(join(folder, file));
    if (found.bytes !== expected.bytes) refuse(file, `has ${found.bytes} bytes, was written with ${expected.bytes}`);
    if (found.sha256 !== expected.sha256) refuse(file, 'its sha256 is not that of the file that was written');
  }
  return { folder, state };
}

/**
 * Returns the latest checkpoint of a run that is as it was written, null without any. `damaged` receives each other.
 */
export async function latestCheckpoint(run: string, damaged: (error: TrainError) => void): Promise<Checkpoint | null> {
  for (const folder of stepFolders(run)) {
    try {
      return await verifyCheckpoint(folder);
    } catch (error) {
      if (!(error instanceof TrainError)) throw error;
      damaged(error);
    }
  }
  return null;
}

/** Reads the moments of a checkpoint into an optimizer. */
export async function loadMoments(folder: string, optimizer: Optimizer): Promise<void> {
  const source = await openSafetensors(join(folder, momentsFile));
  try {
    for (const [name, tensor] of optimizer.moments) {
      const bytes = (await source.read(name)).slice();
      if (bytes.byteLength !== tensor.bytes)
        throw new CheckpointError(
          folder,
          `${name}: expected ${tensor.bytes} bytes of moments, received ${bytes.byteLength}`,
          'resume with the format of moments that the run began with',
        );
      tensor.write(tensor.dtype === 'bf16' ? new Uint16Array(bytes.buffer) : new Float32Array(bytes.buffer));
    }
  } finally {
    await source.close();
  }
}

// The model that a run begins from: its configuration, read before anything is written, and its weights as f32.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { importWeights, readJson, type TensorSource } from '../model/checkpoint/index.ts';
import { type ModelConfig, readConfig, type WeightMap } from '../model/index.ts';
import { TrainError } from './errors.ts';

/** Throws TrainError or ModelError where a folder is no checkpoint. */
export function readBaseConfig(folder: string): ModelConfig {
  const file = join(folder, 'config.json');
  if (!existsSync(file)) throw new TrainError(folder, 'has no config.json', 'name the folder of a checkpoint');
  return readConfig(readJson(file), file);
}

/** The weights of a source, which is closed whatever happens. */
export async function loadWeights(config: ModelConfig, opening: Promise<TensorSource>): Promise<WeightMap> {
  const source = await opening;
  try {
    return (await importWeights(config, source, { dtype: 'f32' })).weights;
  } finally {
    await source.close();
  }
}

// The configuration and the tensors of what a command names: a preset, a config.json, a checkpoint, a GGUF file.
import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  findConfigFile,
  openCheckpoint,
  openGgufModel,
  openModelFolder,
  readJson,
  type TensorSource,
} from '../model/checkpoint/index.ts';
import { type ModelConfig, ModelError, preset, presetNames, readConfig } from '../model/index.ts';
import type { GgufMetadata } from '../tokenizer/index.ts';

/** Reads the configuration of a preset, a config.json, a checkpoint folder or file, or a GGUF file. */
export async function findConfig(target: string): Promise<ModelConfig> {
  if (target.endsWith('.gguf')) {
    const { config, source } = await openGgufModel(target);
    await source.close();
    return config;
  }
  if (!existsSync(target)) {
    if ((presetNames as string[]).includes(target)) return preset(target);
    throw new ModelError(target, 'no such file, folder or preset', `presets are ${presetNames.join(', ')}`);
  }
  const isFolder = statSync(target).isDirectory();
  const path = target.endsWith('.json') ? target : findConfigFile(isFolder ? target : dirname(target));
  return readConfig(readJson(path), path);
}

export interface OpenedModel {
  readonly config: ModelConfig;
  readonly source: TensorSource;
  readonly metadata: GgufMetadata | null;
}

/** Opens the tensors of a GGUF file, a folder, or a .safetensors file beside its config.json. */
export async function openForReading(from: string): Promise<OpenedModel> {
  if (from.endsWith('.gguf')) return openGgufModel(from);
  if (statSync(from).isDirectory()) return { ...(await openModelFolder(from, console.error)), metadata: null };
  return { config: await findConfig(from), source: await openCheckpoint(from), metadata: null };
}

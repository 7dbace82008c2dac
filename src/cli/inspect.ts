// minke inspect: what a configuration or a checkpoint is, and what it costs. Opens headers only.
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openCheckpoint, openGguf, openGgufModel, readJson, type TensorSource } from '../model/checkpoint/index.ts';
import {
  cacheBytesPerToken,
  countParameters,
  flopsPerToken,
  type ModelConfig,
  ModelError,
  preset,
  presetNames,
  readConfig,
  weightBytes,
} from '../model/index.ts';

const whole = (n: number) => Math.round(n).toLocaleString('en-US');
const billions = (n: number) => (n >= 1e9 ? `${(n / 1e9).toFixed(2)} B` : `${(n / 1e6).toFixed(2)} M`);
const giga = (flops: number) =>
  flops >= 1e9 ? `${(flops / 1e9).toFixed(1)} GFLOP` : `${(flops / 1e6).toFixed(1)} MFLOP`;
const bytes = (n: number) => (n >= 1e9 ? `${(n / 1e9).toFixed(1)} GB` : `${(n / 1e6).toFixed(1)} MB`);

/** The configuration of a preset, a config.json, a checkpoint folder or file, or a GGUF file. */
export async function configOf(target: string): Promise<ModelConfig> {
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
  const path = target.endsWith('.json') ? target : join(isFolder ? target : dirname(target), 'config.json');
  return readConfig(readJson(path), path);
}

function line(label: string, value: string): string {
  return `  ${label.padEnd(26)} ${value}`;
}

/** What is printed of a configuration, line by line. `context`: tokens of a sequence. */
export function describeConfig(config: ModelConfig, context: number): string[] {
  const counts = countParameters(config);
  const flops = flopsPerToken(config, context);
  const cache = cacheBytesPerToken(config);
  const weights = weightBytes(config);
  const parts = Object.entries(counts.byPart).filter(([, { total }]) => total > 0);
  return [
    `architecture ${config.modelType}, ${config.numHiddenLayers} layers, hidden size ${config.hiddenSize}`,
    'parameters',
    line('total', whole(counts.total)),
    line(
      'active for a token',
      `${billions(counts.active)} with embedding, ${billions(counts.activeWithoutEmbedding)} without`,
    ),
    ...parts.map(([part, { total, active }]) =>
      line(`  ${part}`, `${whole(total)}${active === total ? '' : `, active ${whole(active)}`}`),
    ),
    ...(counts.mtp > 0 ? [line('MTP modules, beside these', whole(counts.mtp))] : []),
    `work for a token, ${whole(context)} tokens of context`,
    line('training', giga(flops.training)),
    line('prompt', giga(flops.prefill)),
    line('generation', giga(flops.decode)),
    'memory',
    line('cache for a token', `${whole(cache.bf16)} bytes in BF16${cache.fp8 ? `, ${whole(cache.fp8)} in FP8` : ''}`),
    line(
      'weights',
      `${bytes(weights.f32)} in F32, ${bytes(weights.bf16)} in BF16, ${bytes(weights.fp8)} in FP8 blocks`,
    ),
  ];
}

function describeTensors(source: TensorSource): string[] {
  const rows = [...source.entries.values()].map(({ name, type, shape }) => line(name.padEnd(64), `${type} [${shape}]`));
  return ['tensors', ...rows, `${source.entries.size} tensors`];
}

export async function inspect(target: string, options: { context: string; tensors?: boolean }): Promise<void> {
  const context = Number(options.context);
  if (!(Number.isInteger(context) && context > 0))
    throw new ModelError('inspect', `--context ${options.context}: expected a positive whole number`, 'correct it');
  for (const text of describeConfig(await configOf(target), context)) console.log(text);
  if (!options.tensors) return;
  const source = await (target.endsWith('.gguf') ? openGguf(target) : openCheckpoint(target));
  try {
    for (const text of describeTensors(source)) console.log(text);
  } finally {
    await source.close();
  }
}

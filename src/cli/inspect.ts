// minke inspect: parameters, compute and memory of a configuration or a checkpoint. Reads headers only, except for
// --quality.
import { formatMillions, formatSize } from '../math/index.ts';
import { openGguf, openTensors, type TensorSource } from '../model/checkpoint/index.ts';
import { cacheBytesPerToken, countParameters, flopsPerToken, type ModelConfig, weightBytes } from '../model/index.ts';
import type { DownloadFlags } from './download-flag.ts';
import { findConfig } from './find-config.ts';
import { findModel } from './find-model.ts';
import { showQuality } from './quality.ts';

const formatWhole = (n: number) => Math.round(n).toLocaleString('en-US');
const formatCount = (n: number) => (n >= 1e9 ? `${(n / 1e9).toFixed(2)} B` : formatMillions(n));
const formatFlops = (flops: number) =>
  flops >= 1e9 ? `${(flops / 1e9).toFixed(1)} GFLOP` : `${(flops / 1e6).toFixed(1)} MFLOP`;

function line(label: string, value: string): string {
  return `  ${label.padEnd(26)} ${value}`;
}

/** Describes a configuration line by line. `context` is the number of tokens of a sequence. */
export function describeConfig(config: ModelConfig, context: number): string[] {
  const counts = countParameters(config);
  const flops = flopsPerToken(config, context);
  const cache = cacheBytesPerToken(config);
  const weights = weightBytes(config);
  const parts = Object.entries(counts.byGroup).filter(([, { total }]) => total > 0);
  return [
    `architecture ${config.modelType}, ${config.numHiddenLayers} layers, hidden size ${config.hiddenSize}`,
    'parameters',
    line('total', formatWhole(counts.total)),
    line(
      'active per token',
      `${formatCount(counts.active)} with embedding, ${formatCount(counts.activeWithoutEmbedding)} without`,
    ),
    ...parts.map(([part, { total, active }]) =>
      line(`  ${part}`, `${formatWhole(total)}${active === total ? '' : `, active ${formatWhole(active)}`}`),
    ),
    ...(counts.mtp > 0 ? [line('MTP modules, in addition', formatWhole(counts.mtp))] : []),
    `compute per token, at ${formatWhole(context)} tokens of context`,
    line('training', formatFlops(flops.training)),
    line('prefill', formatFlops(flops.prefill)),
    line('decode', formatFlops(flops.decode)),
    'memory',
    line(
      'KV cache per token',
      `${formatWhole(cache.bf16)} bytes in BF16${cache.fp8 ? `, ${formatWhole(cache.fp8)} in FP8` : ''}`,
    ),
    line(
      'weights',
      `${formatSize(weights.f32)} in F32, ${formatSize(weights.bf16)} in BF16, ` +
        `${formatSize(weights.fp8)} in FP8 blocks`,
    ),
  ];
}

function describeTensors(source: TensorSource): string[] {
  const rows = [...source.entries.values()].map(({ name, type, shape }) => line(name.padEnd(64), `${type} [${shape}]`));
  return ['tensors', ...rows, `${source.entries.size} tensors`];
}

export interface InspectFlags extends DownloadFlags {
  readonly context: number;
  readonly tensors?: boolean;
  /** A file of text, on which every format of the weights is measured. */
  readonly quality?: string;
}

export async function inspect(given: string, flags: InspectFlags): Promise<void> {
  const { context, tensors = false, quality } = flags;
  const { path: target } = await findModel(given, { ...flags, weights: tensors || quality !== undefined });
  for (const text of describeConfig(await findConfig(target), context)) console.log(text);
  if (quality !== undefined) await showQuality(target, quality);
  if (!tensors) return;
  const source = await (target.endsWith('.gguf') ? openGguf(target) : openTensors(target));
  try {
    for (const text of describeTensors(source)) console.log(text);
  } finally {
    await source.close();
  }
}

// minke inspect --quality: what each format of the weights costs, measured on a text: perplexity, and the divergence
// from the best format of the file.
import { openTokenizer } from '../engine/index.ts';
import { formatPercent, formatSize, sum } from '../math/index.ts';
import { type ServingFormat, servingWeights, storedFormat } from '../model/checkpoint/index.ts';
import { createModel, type Model, measureQuality, type Quality } from '../model/index.ts';
import { useDevice } from '../tensor/index.ts';
import { type OpenedModel, openForReading } from './find-config.ts';
import { bestFormat } from './importance.ts';
import { openDeviceForLongWork } from './long-work.ts';
import { Progress } from './progress.ts';
import { readWindows, windowTokens } from './text-windows.ts';

/** Windows of the text that are read at most. */
const maxWindows = 16;

interface Opened {
  readonly model: Model;
  readonly bytes: number;
  readonly formats: string;
  readonly close: () => void;
}

async function openIn(format: ServingFormat, { config, source }: OpenedModel): Promise<Opened> {
  const { weights } = await servingWeights(config, source, { format });
  const model = createModel(config, weights, windowTokens + 1);
  const inBlocks = [...weights.values()].flatMap((weight) => ('panels' in weight ? [weight.format] : []));
  return {
    model,
    bytes: sum([...weights.values()].map(({ bytes }) => bytes)),
    formats: [...new Set(inBlocks)].join(', '),
    close: () => {
      model.dispose();
      for (const weight of weights.values()) weight.dispose();
    },
  };
}

function describe(name: string, { bytes }: Opened, quality: Quality): string {
  const { perplexity, divergence, agreement } = quality;
  const columns = [formatSize(bytes), perplexity.toFixed(3), divergence.toFixed(5), formatPercent(agreement)];
  return `  ${name.padEnd(34)}${columns.map((column) => column.padStart(12)).join('')}`;
}

/** Prints a line for each format: the best one of the file, the blocks that it has, int8, int4. */
export async function showQuality(path: string, textFile: string): Promise<void> {
  const device = await openDeviceForLongWork();
  useDevice(device);
  const opened = await openForReading(path);
  const { source, metadata } = opened;
  let best: Opened | null = null;
  try {
    const { tokenizer } = openTokenizer(path, undefined, metadata ?? undefined);
    const windows = readWindows(tokenizer, textFile, maxWindows);
    const [own, first] = [storedFormat(source), bestFormat(source)];
    const formats: ServingFormat[] = [first, ...(own === first ? [] : [own]), 'int8', 'int4'];
    const tokens = sum(windows.map(({ length }) => length - 1));
    console.log(`quality on ${textFile}: ${tokens} tokens in windows of ${windowTokens}`);
    console.log(`  ${'format'.padEnd(34)}     weights  perplexity   KL (nats) same choice`);
    const progress = new Progress('measuring', formats.length);
    for (const [i, format] of formats.entries()) {
      const each = await openIn(format, opened);
      best ??= each;
      const name = format === 'stored' ? `as stored (${each.formats})` : `${format}${i === 0 ? ' (best)' : ''}`;
      const line = describe(name, each, await measureQuality(each.model, best.model, windows));
      if (each !== best) each.close();
      progress.reach((i + 1) / formats.length);
      console.log(line);
    }
    progress.end();
  } finally {
    best?.close();
    await source.close();
    await device.close();
  }
}

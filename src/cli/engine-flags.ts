// What `minke chat` and `minke serve` let a user choose of the engine.
import type { Command } from 'commander';
import type { CacheFormat, OpenOptions } from '../engine/index.ts';
import { MinkeError } from '../kernels/index.ts';
import type { PackedFormat } from '../tensor/index.ts';

export interface EngineFlags {
  readonly dtype?: string;
  readonly cacheDtype: string;
  readonly cacheMemory: string;
  readonly context?: string;
  readonly tokenizer?: string;
  readonly mtp: boolean;
}

const formats: readonly string[] = ['f32', 'bf16', 'fp8', 'int8', 'int4'];
const cacheFormats: readonly string[] = ['f32', 'bf16', 'fp8'];

/** Adds the flags to a command. */
export function withEngineFlags(command: Command): Command {
  return command
    .option('--dtype <format>', `of weights: ${formats.join(', ')}; as stored without`)
    .option('--cache-dtype <format>', `of the cache: ${cacheFormats.join(', ')}`, 'bf16')
    .option('--cache-memory <mebibytes>', 'memory for the cache; one whole context at least', '1024')
    .option('--context <tokens>', 'longest prompt and answer together; the model’s own limit without')
    .option('--tokenizer <folder>', 'where tokenizer.json lies, if not with the model')
    .option('--no-mtp', 'no drafts by multi-token prediction');
}

function oneOf(value: string, known: readonly string[], flag: string): string {
  if (known.includes(value)) return value;
  throw new FlagError(flag, `expected ${known.join(', ')}, received ${value}`, 'choose one of these');
}

export function positiveOf(value: string, flag: string): number {
  const number = Number(value);
  if (Number.isInteger(number) && number > 0) return number;
  throw new FlagError(flag, `expected a positive whole number, received ${value}`, 'correct it');
}

export class FlagError extends MinkeError {}

export function engineOptions(flags: EngineFlags): OpenOptions {
  const { dtype, cacheDtype, cacheMemory, context, tokenizer, mtp } = flags;
  return {
    cacheFormat: oneOf(cacheDtype, cacheFormats, '--cache-dtype') as CacheFormat,
    cacheBytes: positiveOf(cacheMemory, '--cache-memory') * 2 ** 20,
    ...(dtype !== undefined && { format: oneOf(dtype, formats, '--dtype') as PackedFormat }),
    ...(context !== undefined && { contextLength: positiveOf(context, '--context') }),
    ...(tokenizer !== undefined && { tokenizer }),
    ...(mtp ? {} : { speculate: false }),
  };
}

// Flags of the engine and of sampling, shared by `minke chat`, `minke serve` and `minke eval`.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CacheFormat, SamplingDefaults } from '../engine/index.ts';
import type { PackableFormat } from '../tensor/index.ts';
import { type DownloadFlags, withDownloadFlag } from './download-flag.ts';

export interface EngineFlags extends DownloadFlags {
  readonly dtype?: PackableFormat;
  readonly cacheDtype: CacheFormat;
  readonly cacheMemory?: number;
  readonly context?: number;
  readonly tokenizer?: string;
  readonly mtp: boolean;
}

/** Reads the value of a flag. Throws InvalidArgumentError, which names the flag. */
export function parsePositive(text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new InvalidArgumentError('Expected a positive whole number.');
}

export function parseInteger(text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && text.trim() !== '') return number;
  throw new InvalidArgumentError('Expected a whole number.');
}

/** Reads whole numbers with commas between them. */
export function parseIntegers(text: string): number[] {
  return text.split(',').map(parseInteger);
}

export function parseText(text: string): string {
  if (text.trim() !== '') return text;
  throw new InvalidArgumentError('Expected a text.');
}

export function parseNumber(text: string): number {
  const number = Number(text);
  if (Number.isFinite(number) && text.trim() !== '') return number;
  throw new InvalidArgumentError('Expected a number.');
}

function parseTemperature(text: string): number {
  const number = parseNumber(text);
  if (number >= 0) return number;
  throw new InvalidArgumentError('Expected 0 (greedy) or more.');
}

function parseProbability(text: string): number {
  const number = parseNumber(text);
  if (number > 0 && number <= 1) return number;
  throw new InvalidArgumentError('Expected a number above 0 and at most 1.');
}

/** Adds the flags of the engine to a command. */
export function withEngineFlags(command: Command): Command {
  const formats = ['f32', 'bf16', 'fp8', 'int8', 'int4'] satisfies PackableFormat[];
  const cacheFormats = ['f32', 'bf16', 'fp8', 'int8'] satisfies CacheFormat[];
  return withDownloadFlag(command)
    .addOption(new Option('--dtype <format>', 'weight format (default: as stored)').choices(formats))
    .addOption(new Option('--cache-dtype <format>', 'KV cache format').choices(cacheFormats).default('bf16'))
    .option('--cache-memory <MiB>', 'KV cache memory (default: what fits)', parsePositive)
    .option('--context <tokens>', 'max tokens of prompt and answer (default: what fits)', parsePositive)
    .option('--tokenizer <folder>', "folder or hub name of the tokenizer (default: the model's)")
    .option('--no-mtp', 'disable speculative decoding with MTP');
}

/** Undefined: the model's own, else usualSampling. */
export interface SamplingFlags {
  readonly temperature?: number;
  readonly topP?: number;
}

/** Where neither a flag nor the model's generation_config.json says anything. Source: DeepSeek-R1's model card. */
const usualSampling = { temperature: 0.6, topP: 0.95 };

/** Returns how answers are sampled: by a flag, else by the model's generation_config.json, else as usual. */
export function chooseSampling({ temperature, topP }: SamplingFlags, defaults: SamplingDefaults) {
  return {
    temperature: temperature ?? defaults.temperature ?? usualSampling.temperature,
    topP: topP ?? defaults.topP ?? usualSampling.topP,
  };
}

/** Adds the flags of sampling to a command. */
export function withSamplingFlags(command: Command): Command {
  return command
    .option('--temperature <t>', "sampling temperature; 0 is greedy (default: the model's, else 0.6)", parseTemperature)
    .option(
      '--top-p <p>',
      "nucleus sampling: the most probable tokens up to p (default: the model's, else 0.95)",
      parseProbability,
    );
}

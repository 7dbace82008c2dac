// The options of a request, validated and with every default filled in.
//
// Contract: options that pass can be sampled; others throw a RefusedError of kind `invalid` that names the field, what
// was expected and what was received. Ranges are those of the OpenAI and DeepSeek APIs where these have one; a
// temperature below 1e-5 is 0, as in vLLM, because logits divided by it leave the range of f32.
import { type GenerateOptions, RefusedError } from './generation.ts';
import type { SamplingDefaults } from './generation-config.ts';

/** SamplingOptions with every default filled in. */
export interface ResolvedSampling {
  /** 0: the most probable token. */
  readonly temperature: number;
  /** 0: all. */
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly presencePenalty: number;
  readonly frequencyPenalty: number;
  readonly repetitionPenalty: number;
  readonly seed: number;
  readonly logitBias: ReadonlyMap<number, number>;
  readonly minTokens: number;
  /** Tokens that end the output, and cannot come before `minTokens` others. */
  readonly endIds: readonly number[];
}

/** GenerateOptions with every default filled in; null where nothing was requested. */
export interface ResolvedOptions extends ResolvedSampling {
  readonly maxTokens: number;
  readonly stop: readonly string[];
  readonly stopIds: readonly number[];
  readonly raw: boolean;
  readonly ignoreEos: boolean;
  readonly logprobs: number | null;
  readonly promptLogprobs: number | null;
  readonly startsThinking: boolean;
  readonly reasoningBudget: number | null;
  readonly cacheScope: string;
  readonly signal: AbortSignal | null;
}

/** Limits that model and prompt set. */
interface OptionLimits {
  readonly vocabSize: number;
  /** Tokens that the context has left after the prompt. */
  readonly room: number;
  /** The model's own end tokens. @default none */
  readonly eosIds?: readonly number[];
  /** What holds where a request says nothing. @default none */
  readonly defaults?: SamplingDefaults;
}

/** The kernels give at most this number of alternatives. */
const maxLogprobs = 20;
/** DeepSeek's API takes at most this number of stop texts. */
const maxStopTexts = 16;
const minTemperature = 1e-5;

function refuse(field: string, expected: string, received: unknown): never {
  const shown = typeof received === 'string' ? JSON.stringify(received) : String(received);
  throw new RefusedError('invalid', `${field}: expected ${expected}, received ${shown}`, field);
}

type NumericOptions = {
  [K in keyof GenerateOptions as GenerateOptions[K] extends number | undefined ? K : never]: GenerateOptions[K];
};

function readNumber(
  options: NumericOptions,
  field: keyof NumericOptions,
  fallback: number,
  expected: string,
  fits: (value: number) => boolean,
): number {
  const value: unknown = options[field] ?? fallback;
  if (typeof value !== 'number' || !fits(value)) refuse(field, expected, value);
  return value;
}

const within = (from: number, to: number) => (value: number) => value >= from && value <= to;
const wholeWithin = (from: number, to: number) => (value: number) =>
  Number.isInteger(value) && value >= from && value <= to;

function readCount(options: NumericOptions, field: keyof NumericOptions, min: number, max: number): number | null {
  if (options[field] === undefined || options[field] === null) return null;
  const end = max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`;
  return readNumber(options, field, min, `a whole number from ${min}${end}`, wholeWithin(min, max));
}

function readStopTexts(stop: unknown): readonly string[] {
  if (stop === undefined || stop === null) return [];
  if (!Array.isArray(stop) || stop.length > maxStopTexts)
    refuse('stop', `at most ${maxStopTexts} texts`, Array.isArray(stop) ? `${stop.length} texts` : stop);
  for (const [i, text] of stop.entries()) {
    if (typeof text !== 'string' || text === '') refuse('stop', 'texts that are not empty', `${text} at place ${i}`);
    if (/\p{Cs}/u.test(text)) refuse('stop', 'whole characters', `half a surrogate pair at place ${i}`);
  }
  return [...new Set(stop as string[])];
}

function readStopIds(ids: unknown, vocabSize: number): readonly number[] {
  if (ids === undefined || ids === null) return [];
  if (!Array.isArray(ids)) refuse('stopIds', 'a list of token ids', ids);
  for (const id of ids)
    if (!wholeWithin(0, vocabSize - 1)(id)) refuse('stopIds', `token ids from 0 to ${vocabSize - 1}`, id);
  return ids;
}

function readLogitBias(bias: unknown, vocabSize: number): ReadonlyMap<number, number> {
  if (bias === undefined || bias === null) return new Map();
  if (!(bias instanceof Map)) refuse('logitBias', 'a Map of token ids to numbers', bias);
  for (const [id, value] of bias) {
    if (!wholeWithin(0, vocabSize - 1)(id)) refuse('logitBias', `token ids from 0 to ${vocabSize - 1}`, id);
    if (typeof value !== 'number' || !(value < Infinity))
      refuse('logitBias', 'numbers below Infinity (-Infinity forbids a token)', `${value} for token ${id}`);
  }
  return new Map(bias);
}

function readFlag(options: GenerateOptions, field: 'ignoreEos' | 'startsThinking' | 'raw'): boolean {
  const value: unknown = options[field] ?? false;
  if (typeof value !== 'boolean') refuse(field, 'true or false', value);
  return value;
}

function readText(options: GenerateOptions, field: 'cacheScope'): string {
  const value: unknown = options[field] ?? '';
  if (typeof value !== 'string') refuse(field, 'a text', value);
  return value;
}

function readSignal(signal: unknown): AbortSignal | null {
  if (signal === undefined || signal === null) return null;
  if (!(signal instanceof AbortSignal)) refuse('signal', 'an AbortSignal', signal);
  return signal;
}

function newSeed(): number {
  return Math.floor(Math.random() * 2 ** 32);
}

type Ending = Pick<ResolvedOptions, 'maxTokens' | 'minTokens' | 'stopIds' | 'ignoreEos' | 'endIds'>;

function resolveEnding(options: GenerateOptions, { vocabSize, room, eosIds = [] }: OptionLimits): Ending {
  const any = Number.MAX_SAFE_INTEGER;
  const maxTokens = Math.min(readCount(options, 'maxTokens', 1, any) ?? room, room);
  const minTokens = readCount(options, 'minTokens', 0, maxTokens) ?? 0;
  const stopIds = readStopIds(options.stopIds, vocabSize);
  const ignoreEos = readFlag(options, 'ignoreEos');
  return { maxTokens, minTokens, stopIds, ignoreEos, endIds: [...(ignoreEos ? [] : eosIds), ...stopIds] };
}

type Choice = Omit<ResolvedSampling, 'minTokens' | 'endIds'>;

function resolveChoice(options: GenerateOptions, { vocabSize, defaults = {} }: OptionLimits): Choice {
  const finite = 'a finite number from 0';
  const temperature = readNumber(
    options,
    'temperature',
    defaults.temperature ?? 1,
    finite,
    within(0, Number.MAX_VALUE),
  );
  const penalty = 'a number from -2 to 2';
  return {
    temperature: temperature < minTemperature ? 0 : temperature,
    topK: Math.min(
      readNumber(options, 'topK', defaults.topK ?? 0, 'a whole number from 0', wholeWithin(0, Number.MAX_SAFE_INTEGER)),
      vocabSize,
    ),
    topP: readNumber(
      options,
      'topP',
      defaults.topP ?? 1,
      'a number above 0 and up to 1',
      (value) => value > 0 && value <= 1,
    ),
    minP: readNumber(options, 'minP', defaults.minP ?? 0, 'a number from 0 to 1', within(0, 1)),
    presencePenalty: readNumber(options, 'presencePenalty', 0, penalty, within(-2, 2)),
    frequencyPenalty: readNumber(options, 'frequencyPenalty', 0, penalty, within(-2, 2)),
    repetitionPenalty: readNumber(
      options,
      'repetitionPenalty',
      defaults.repetitionPenalty ?? 1,
      'a number from 0.01 to 100',
      within(0.01, 100),
    ),
    seed: readNumber(options, 'seed', newSeed(), 'a whole number from 0 to 2^32 - 1', wholeWithin(0, 2 ** 32 - 1)),
    logitBias: readLogitBias(options.logitBias, vocabSize),
  };
}

/** An answer with a constraint ends where it is complete, and there alone. */
function checkConstraint({ constraint, ignoreEos = false, minTokens = 0 }: GenerateOptions): void {
  if (constraint === undefined) return;
  if (ignoreEos) refuse('ignoreEos', 'false, because the answer is constrained', ignoreEos);
  if (minTokens > 0) refuse('minTokens', '0, because the answer is constrained', minTokens);
}

/** Checks the options of a request and fills in defaults. Throws RefusedError('invalid') naming the field. */
export function resolveOptions(options: GenerateOptions, limits: OptionLimits): ResolvedOptions {
  const any = Number.MAX_SAFE_INTEGER;
  checkConstraint(options);
  return {
    ...resolveChoice(options, limits),
    ...resolveEnding(options, limits),
    stop: readStopTexts(options.stop),
    raw: readFlag(options, 'raw'),
    logprobs: readCount(options, 'logprobs', 0, maxLogprobs),
    promptLogprobs: readCount(options, 'promptLogprobs', 0, maxLogprobs),
    startsThinking: readFlag(options, 'startsThinking'),
    reasoningBudget: readCount(options, 'reasoningBudget', 0, any),
    cacheScope: readText(options, 'cacheScope'),
    signal: readSignal(options.signal),
  };
}

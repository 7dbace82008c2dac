// From a path to a model that answers: a checkpoint folder, a ready one or a GGUF file, its tokenizer, an engine over
// them.
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Device, describeMemory, openDevice } from '../kernels/index.ts';
import { sum } from '../math/index.ts';
import {
  CheckpointError,
  isReady,
  openGgufModel,
  openModelFolder,
  openReady,
  readJson,
  type ServingFormat,
  servingWeights,
  storedFormat,
  type TensorSource,
} from '../model/checkpoint/index.ts';
import { createModel, describeBlocks, type ModelConfig, readConfig, servingPrecision } from '../model/index.ts';
import { type PackableFormat, useDevice, type Weight } from '../tensor/index.ts';
import {
  type GgufMetadata,
  hasGgufTokenizer,
  type LoadedTokenizer,
  loadGgufTokenizer,
  loadTokenizer,
} from '../tokenizer/index.ts';
import { describeCache, sizeCache } from './cache-size.ts';
import { Engine, type EngineOptions, usualSequences } from './engine.ts';
import { loadSamplingDefaults } from './generation-config.ts';
import { ModelRunner } from './model-runner.ts';
import { type CacheFormat, LatentPages, latentBlockBytes } from './paged-cache.ts';
import { expectTokenizerBelongs } from './self-test.ts';
import { ServedModel } from './served-model.ts';
import { unusedIds } from './unused-ids.ts';

export interface OpenOptions extends Partial<Omit<EngineOptions, 'blocks'>> {
  /** @default the name of the folder or file */
  readonly name?: string;
  /** The format of matrices. @default the checkpoint's */
  readonly format?: PackableFormat;
  /** The format of the cache: f32, bf16, or codes of a byte with scales, fp8 or int8. @default bf16 */
  readonly cacheFormat?: CacheFormat;
  /**
   * Memory for the cache. At least one whole context is taken. @default contexts of all sequences that run at once, but
   * at most 1 GiB and half of what is free beside the weights
   */
  readonly cacheBytes?: number;
  /** Whether multi-token prediction drafts. @default where the model has it */
  readonly speculate?: boolean;
  /** The folder of the tokenizer. @default the model's */
  readonly tokenizer?: string;
  /** @default a new one, closed with the model */
  readonly device?: Device;
  readonly progress?: (done: number, total: number) => void;
  /** Called with the reason when opening takes longer than necessary. */
  readonly notice?: (text: string) => void;
}

const isGguf = (path: string) => path.endsWith('.gguf');

interface OpenedWeights {
  readonly config: ModelConfig;
  readonly source: TensorSource;
  readonly format: ServingFormat;
  readonly load: () => Promise<ReadonlyMap<string, Weight>>;
  /** The metadata of a GGUF file. */
  readonly metadata?: GgufMetadata;
}

async function openWeights(path: string, options: OpenOptions): Promise<OpenedWeights> {
  if (!isGguf(path) && isReady(path)) return openPacked(path, options);
  const { config, source, metadata } = isGguf(path)
    ? await openGgufModel(path)
    : { ...(await openModelFolder(path, options.notice)), metadata: undefined };
  const format = options.format ?? storedFormat(source);
  const progress = options.progress ? { progress: options.progress } : {};
  const load = async () => (await servingWeights(config, source, { format, ...progress })).weights;
  return { config, source, format, load, ...(metadata && { metadata }) };
}

function readConfigFile(folder: string): ModelConfig {
  const file = join(folder, 'config.json');
  return readConfig(readJson(file), file);
}

async function openPacked(path: string, { format, progress, notice }: OpenOptions): Promise<OpenedWeights> {
  const config = readConfigFile(path);
  const source = await openReady(path);
  if (format !== undefined && format !== source.format) {
    await source.close();
    throw new CheckpointError(
      path,
      `has weights packed in ${source.format}, ${format} was requested`,
      'leave the format out, or open the checkpoint that it was made from',
    );
  }
  const load = () => source.weights({ ...(progress && { progress }), ...(notice && { notice }) });
  return { config, source, format: source.format, load };
}

/**
 * Identifies weights (by the sizes and times of their files, and the list of tensors), format and arithmetic, which it
 * names: `fp_3f9c0a1be2d45678_avx512_steps16`.
 */
function computeFingerprint(source: TensorSource, device: Device, ...settings: readonly string[]): string {
  const hash = createHash('sha256');
  const files = new Set([...source.entries.values()].map(({ file }) => file));
  for (const file of files) {
    const { size, mtimeMs } = statSync(file);
    hash.update(`${basename(file)} ${size} ${mtimeMs}\n`);
  }
  for (const { name, type, shape } of source.entries.values()) hash.update(`${name} ${type} ${shape}\n`);
  const { arithmetic, isa, lanes } = device.computation;
  const weights = hash
    .update([...settings, device.name].join(' '))
    .digest('hex')
    .slice(0, 16);
  return `fp_${weights}_${isa}_${arithmetic}${lanes}`;
}

/** Bytes of a weight in memory, with its scales. Other formats are kept as the file has them. */
const bytesEach: Readonly<Record<string, number>> = { f32: 4, bf16: 2, fp8: 1.04, int8: 1.125, int4: 0.625 };

/** Estimates the bytes that weights take in memory. */
function estimateWeightBytes({ source, format }: OpenedWeights): number {
  const entries = [...source.entries.values()];
  const files = new Set(entries.map(({ file }) => file));
  const each = bytesEach[format];
  if (each === undefined) return sum([...files].map((file) => statSync(file).size));
  return each * sum(entries.map(({ shape }) => shape.reduce((product, n) => product * n, 1)));
}

/** Returns the bytes that are free beside the weights, before they are loaded. */
function freeBesideWeights(opened: OpenedWeights, device: Device): number {
  const { reserved, limit } = device.memory;
  return Math.min(describeMemory().freeBytes, limit - reserved) - estimateWeightBytes(opened);
}

/** Opens the tokenizer that a folder holds, else the one in a GGUF file, else the one beside it. */
export function openTokenizer(path: string, folder?: string, metadata?: GgufMetadata): LoadedTokenizer {
  if (folder === undefined && metadata && hasGgufTokenizer(metadata)) return loadGgufTokenizer(metadata, path);
  return loadTokenizer(folder ?? (isGguf(path) ? dirname(path) : path));
}

/**
 * Opens a model for answering. Throws CheckpointError, ModelError or TokenizerError naming what is wrong with its
 * files.
 * @example const model = await openModel('my-model'); for await (const event of model.chat(messages)) ...
 */
export async function openModel(path: string, options: OpenOptions = {}): Promise<ServedModel> {
  const { cacheFormat = 'bf16', contextLength: requested, cacheBytes } = options;
  const device = options.device ?? openDevice(options.notice ? { notice: options.notice } : {});
  useDevice(device);
  const opened = await openWeights(path, options);
  const { config, source, format, load, metadata } = opened;
  try {
    const tokenizer = openTokenizer(path, options.tokenizer, metadata);
    expectTokenizerBelongs(tokenizer, config.vocabSize);
    const defaults = isGguf(path) ? {} : loadSamplingDefaults(path, options.notice);
    const { maxPositionEmbeddings: maxContext } = config;
    const blockBytes = latentBlockBytes(config, cacheFormat);
    const positionBytes = 4 * describeBlocks(config).rotaryDim;
    const free = freeBesideWeights(opened, device);
    const sequences = options.maxSequences ?? usualSequences;
    const demand = { maxContext, blockBytes, positionBytes, contextLength: requested, sequences, cacheBytes };
    const size = sizeCache(demand, free, path);
    const { contextLength, blocks } = size;
    const cache = new LatentPages(config, blocks, cacheFormat); // first: it takes no memory that loading leaves touched
    const weights = await load().catch((error: unknown) => {
      cache.dispose();
      throw error;
    });
    const model = createModel(config, weights, contextLength + 1);
    const banned = unusedIds(tokenizer.tokenizer, config.vocabSize);
    const { speculate } = options;
    const runner = new ModelRunner(model, { cache, policy: servingPrecision, speculate, banned });
    return new ServedModel({
      name: options.name ?? basename(path).replace(/\.gguf$/, ''),
      vocabSize: config.vocabSize,
      tokenizer,
      defaults,
      fingerprint: computeFingerprint(source, device, format, cacheFormat),
      engine: new Engine(runner, { ...options, blocks, contextLength }),
      cache: describeCache(size, maxContext, free),
      free: async () => {
        await device.flush();
        model.dispose();
        for (const weight of weights.values()) weight.dispose();
        if (!options.device) await device.close();
      },
    });
  } finally {
    await source.close();
  }
}

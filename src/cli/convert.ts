// minke convert: writes a checkpoint in another file or number format, one tensor at a time, with its tokenizer.
// With --ready it writes the weights as the engine holds them in memory, so that opening maps them.
import { copyFileSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Device } from '../kernels/index.ts';
import { sum } from '../math/index.ts';
import {
  byteLength,
  CheckpointError,
  checkpointValues,
  convertCheckpoint,
  eachServed,
  expectTensors,
  type GgufFormat,
  ggufByteLength,
  ggufMetadata,
  ggufMixes,
  ggufTensors,
  ignoredTensors,
  type NamedImportance,
  quantizationConfig,
  type TensorSource,
  type WeightFormat,
  withImportance,
  writeCheckpoint,
  writeGguf,
  writeReady,
} from '../model/checkpoint/index.ts';
import { type ModelConfig, withoutModules, writeConfig } from '../model/index.ts';
import { type PackableFormat, useDevice } from '../tensor/index.ts';
import {
  type GgufMetadata,
  ggufTokenizerKeys,
  hasGgufTokenizer,
  hasTokenizer,
  type LoadedTokenizer,
  loadGgufTokenizer,
  loadTokenizer,
  saveLoadedTokenizer,
} from '../tokenizer/index.ts';
import { findBestCheckpoint, findRunAbove, hashWeights, Job, readLineage, writeLineage } from '../train/index.ts';
import type { DownloadFlags } from './download-flag.ts';
import { openForReading } from './find-config.ts';
import { findModel } from './find-model.ts';
import { goldenPath, writeGolden } from './golden.ts';
import { findImportance, identify } from './importance.ts';
import { openDeviceForLongWork } from './long-work.ts';
import { Progress } from './progress.ts';

const folderFormats: readonly string[] = ['f32', 'f16', 'bf16', 'fp8'];
const readyFormats: readonly string[] = ['f32', 'bf16', 'fp8', 'int8', 'int4'];
const ggufFormats: Readonly<Record<string, GgufFormat>> = Object.fromEntries([
  ...(['F32', 'F16', 'BF16', 'Q8_0', 'Q6_K', 'Q4_0'] as const).map((type) => [type.toLowerCase(), type]),
  ...ggufMixes.map((mix) => [mix, mix]),
]);
/** Formats that search the scale of each group, and weigh errors for it. */
const weighted: readonly string[] = ['q6_k', ...ggufMixes];
const torchNames = { f32: 'float32', f16: 'float16', bf16: 'bfloat16', fp8: 'bfloat16' } as const;

const isGguf = (path: string) => path.endsWith('.gguf');

function checkFormat(dtype: string, allowed: readonly string[], where: string): void {
  if (!allowed.includes(dtype))
    throw new CheckpointError('convert', `--dtype ${dtype}: ${where} takes one of ${allowed.join(', ')}`, 'choose one');
}

/** Copies tokenizer, templates, lineage, license: all but weights, config.json, golden logits, the state of a run. */
function copyOtherFiles(from: string, to: string): void {
  for (const file of readdirSync(from))
    if (
      /\.(json|txt|model|jinja|md)$|^LICENSE/.test(file) &&
      !/^(config|golden|training|model\.safetensors\.index)\.json$/.test(file)
    )
      copyFileSync(join(from, file), join(to, file));
}

const isFolder = (path: string) => statSync(path).isDirectory();

/** Reads the tokenizer of a checkpoint; null where it has none. */
function readTokenizer(from: string, metadata: GgufMetadata | null): LoadedTokenizer | null {
  if (metadata !== null) return hasGgufTokenizer(metadata) ? loadGgufTokenizer(metadata, from) : null;
  return isFolder(from) && hasTokenizer(from) ? loadTokenizer(from) : null;
}

interface Conversion {
  readonly to: string;
  readonly tokenizer: LoadedTokenizer | null;
  readonly config: ModelConfig;
  readonly source: TensorSource;
  readonly importance: NamedImportance | null;
}

async function toGguf(conversion: Conversion, format: GgufFormat): Promise<number> {
  const { to, config, source, tokenizer, importance } = conversion;
  const plain = ggufTensors(config, checkpointValues(config, source), format);
  const tensors = importance ? withImportance(plain, importance) : plain;
  const progress = new Progress(`writing ${to}`, sum(tensors.map(ggufByteLength)));
  const keys = tokenizer ? ggufTokenizerKeys(tokenizer, config.vocabSize) : undefined;
  await writeGguf(to, ggufMetadata(config, keys), tensors, (done) => progress.advance(done));
  progress.end();
  return tensors.length;
}

async function toFolder({ to, config, source }: Conversion, format: WeightFormat): Promise<number> {
  const tensors = convertCheckpoint(config, source, format);
  const { quantization_config: _, torch_dtype: __, ...fields } = writeConfig(config);
  const quantization = quantizationConfig(format);
  const types = { torch_dtype: torchNames[format], ...(quantization && { quantization_config: quantization }) };
  const progress = new Progress(`writing ${to}`, sum(tensors.map(byteLength)));
  await writeCheckpoint(to, { ...fields, ...types }, tensors, { written: (bytes) => progress.advance(bytes) });
  progress.end();
  return tensors.length;
}

async function toReady({ to, config, source }: Conversion, format: PackableFormat, device: Device): Promise<number> {
  const progress = new Progress(`writing ${to}`, 1);
  let count = 0;
  const options = { format, device, progress: (done: number, total: number) => progress.reach(done / total) };
  const counted = async function* () {
    for await (const weight of eachServed(config, source, options, [])) {
      count++;
      yield weight;
    }
  };
  await writeReady(to, config, counted(), options);
  progress.end();
  return count;
}

/** Removes MTP modules unless they are to be kept: llama.cpp's deepseek2 refuses files that have them. */
function toGgufConfig(config: ModelConfig, keepsMtp: boolean): ModelConfig {
  return keepsMtp ? config : withoutModules(config);
}

export interface ConvertOptions extends DownloadFlags {
  readonly dtype: string;
  readonly mtp?: boolean;
  readonly ready?: boolean;
  /** A text, or an importance matrix of llama.cpp, by which K formats weigh their errors. */
  readonly importance?: string;
  /** Whether `from` is the folder of a run, whose best checkpoint is converted. */
  readonly best?: boolean;
}

/** Refuses what cannot be written, before anything is read. */
function expectWritable(to: string, { dtype, ready = false, importance }: ConvertOptions): void {
  if (ready && isGguf(to)) throw new CheckpointError('convert', `--ready: ${to} is not a folder`, 'name a folder');
  if (ready) checkFormat(dtype, readyFormats, 'a ready folder');
  else if (isGguf(to)) checkFormat(dtype, Object.keys(ggufFormats), 'GGUF');
  else checkFormat(dtype, folderFormats, 'a folder');
  if (importance !== undefined && !(isGguf(to) && weighted.includes(dtype)))
    throw new CheckpointError(
      'convert',
      `--importance: ${dtype} in ${to} has no scales that are searched`,
      `write a .gguf file with --dtype ${weighted.join(', ')}, or leave it out`,
    );
  if (importance !== undefined && !existsSync(importance))
    throw new CheckpointError(importance, 'is missing', 'name a file of plain text, or an importance matrix (.gguf)');
  if (existsSync(to)) throw new CheckpointError(to, 'exists already', 'remove it or choose another name');
}

export async function convert(given: string, to: string, options: ConvertOptions): Promise<void> {
  const { dtype, mtp = false, ready = false, best = false, importance } = options;
  expectWritable(to, options);
  const { path } = await findModel(given, options);
  const from = best ? await findBestCheckpoint(path) : path;
  const opened = await openForReading(from);
  const { config: read, source, metadata } = opened;
  const config = isGguf(to) ? toGgufConfig(read, mtp) : read;
  const device = await openDeviceForLongWork();
  useDevice(device);
  const made = findRunAbove(from);
  const job = new Job({
    kind: 'convert',
    device,
    seed: readLineage(from)?.seed ?? 0,
    config: { dtype, ready, mtp, ...(importance !== undefined && { importance: identify(importance) }) },
    origin: { initial: from },
    runs: made && dirname(made),
  });
  try {
    await expectTensors(read, source);
    const tokenizer = isGguf(to) || isGguf(from) ? readTokenizer(from, metadata) : null;
    const measured = importance === undefined ? null : await findImportance(importance, from, opened);
    const conversion = { to, config, source, tokenizer, importance: measured };
    const write = () => {
      if (ready) return toReady(conversion, dtype as PackableFormat, device);
      if (isGguf(to)) return toGguf(conversion, ggufFormats[dtype]);
      return toFolder(conversion, dtype as WeightFormat);
    };
    const count = await write();
    if (isFolder(from) && !isGguf(to)) copyOtherFiles(from, to);
    if (isGguf(from) && !isGguf(to) && tokenizer) saveLoadedTokenizer(to, tokenizer);
    if (!ready) console.log(await writeGolden(to));
    const reason = `converted to ${dtype}${ready ? ', packed' : ''}`;
    await writeLineage(to, await job.end({ status: 'completed', reason, weights: await hashWeights(to) }));
    for (const { name, why } of ignoredTensors(config, source)) console.log(`ignored ${name}: ${why}`);
    const { order, width } = device.panelLayout;
    if (ready) console.log(`${count} weights as ${dtype}, packed for ${device.isa} (${order} of ${width}), in ${to}`);
    else console.log(`${count} tensors as ${dtype} in ${to}`);
  } catch (error) {
    for (const written of [to, goldenPath(to)]) rmSync(written, { recursive: true, force: true });
    if (error instanceof Error && 'syscall' in error) throw Object.assign(error, { path: to });
    throw error;
  } finally {
    await source.close();
    await device.close();
  }
}

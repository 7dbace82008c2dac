// A corpus, tokenized once: shards of ids in a folder named by the content of files, tokenizer and options.
//
// Contract: the same corpus gives the same folder, which is reused. The folder appears when it is complete. A hash of a
// document's ids decides whether it is held out for validation, so order and other files do not matter; of a corpus of
// one document the end is held out (as nanoGPT does with Shakespeare).
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { checkFile, type Input, type ReadOptions, readDocuments } from './documents.ts';
import { CorpusError } from './errors.ts';
import { checkShard, hashFile, ShardWriter, TokenSplit, tokenBytes } from './shards.ts';
import type { Vocabulary } from './vocabulary.ts';

const shard = z.object({ file: z.string(), tokens: z.number(), sha256: z.string() });
const split = z.object({ shards: z.array(shard), lengths: z.array(z.number()) });

const schema = z.object({
  format: z.literal(1),
  hash: z.string(),
  vocabSize: z.number(),
  tokenizerHash: z.string(),
  documents: z.number(),
  sources: z.array(z.object({ name: z.string(), sha256: z.string() })),
  train: split,
  validation: split,
});

type DatasetFile = z.infer<typeof schema>;

/** An opened dataset. `hash` is the hash of everything that decides its content. */
export interface Dataset extends Readonly<Omit<DatasetFile, 'format' | 'train' | 'validation'>> {
  readonly train: TokenSplit;
  readonly validation: TokenSplit;
  readonly close: () => void;
}

export interface PrepareOptions extends ReadOptions {
  readonly inputs: readonly Input[];
  readonly vocabulary: Vocabulary;
  readonly validationFraction: number;
  /** The folder of all datasets. */
  readonly root: string;
  readonly progress?: (done: { readonly bytes: number; readonly totalBytes: number; readonly tokens: number }) => void;
  readonly signal?: AbortSignal;
}

const indexFile = 'dataset.json';

const sha256 = (text: string | Uint8Array) => createHash('sha256').update(text).digest('hex');

async function describeSource(input: Input): Promise<{ name: string; sha256: string }> {
  if (typeof input === 'string') {
    checkFile(input);
    return { name: input.split(/[\\/]/).at(-1) as string, sha256: await hashFile(input) };
  }
  const { name, seed, count, documents } = input;
  const sample: string[] = [];
  for (const index of count > 0 ? [0, count - 1] : [])
    for await (const document of documents(index, index + 1)) sample.push(document);
  return { name, sha256: sha256(JSON.stringify([name, seed, count, ...sample])) };
}

/** Tokenizes a corpus, or opens the folder of an earlier call. Throws CorpusError. */
export async function prepareDataset(options: PrepareOptions): Promise<Dataset> {
  const { inputs, vocabulary, validationFraction, root, fields, separator, maxDocumentBytes } = options;
  if (inputs.length === 0) throw new CorpusError('data', 'no input', 'name at least one file');
  const sources = await Promise.all(inputs.map(describeSource));
  const choices = { validationFraction, fields, separator, maxDocumentBytes };
  const hash = sha256(JSON.stringify([1, sources.map((source) => source.sha256), vocabulary.hash, choices]));
  const folder = join(root, hash.slice(0, 16));
  if (existsSync(folder)) return openDataset(folder);
  const partial = `${folder}.partial`;
  try {
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(partial, { recursive: true });
    const file = await tokenize(partial, options, { hash, sources });
    writeFileSync(join(partial, indexFile), JSON.stringify(file));
    const handle = openSync(join(partial, indexFile), 'r');
    fsyncSync(handle);
    closeSync(handle);
    renameSync(partial, folder);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    throw new CorpusError(folder, 'the disk is full; the tokens written so far were removed', 'free some space');
  }
  return openDataset(folder);
}

async function tokenize(
  folder: string,
  { inputs, vocabulary, validationFraction, progress = () => undefined, ...reading }: PrepareOptions,
  { hash, sources }: Pick<DatasetFile, 'hash' | 'sources'>,
): Promise<DatasetFile> {
  const { tokenizer, endId } = vocabulary;
  const width = tokenBytes(tokenizer.vocabSize);
  const train = new ShardWriter(folder, 'train', width);
  const validation = new ShardWriter(folder, 'validation', width);
  const totalBytes = inputs.reduce((sum, input) => sum + (typeof input === 'string' ? statSync(input).size : 0), 0);
  let [bytes, tokens, documents] = [0, 0, 0];
  let first: Int32Array | null = null; // placed when it is known whether it is the only one
  const place = (ids: Int32Array) => {
    const isHeldOut =
      Number.parseInt(sha256(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength)).slice(0, 8), 16) / 2 ** 32;
    (isHeldOut < validationFraction ? validation : train).add(ids);
  };
  for await (const document of readDocuments(inputs, reading)) {
    const encoded = tokenizer.encode(document, { plain: true });
    const ids =
      endId === null ? encoded : Int32Array.from({ length: encoded.length + 1 }, (_, i) => encoded[i] ?? endId);
    if (documents === 1) place(first as unknown as Int32Array);
    if (documents === 0) first = ids;
    else place(ids);
    documents++;
    tokens += ids.length;
    bytes += Buffer.byteLength(document);
    progress({ bytes, totalBytes, tokens });
  }
  if (tokens === 0) throw new CorpusError('corpus', 'has no token', 'give files that contain text');
  if (documents === 1) {
    const only = first as unknown as Int32Array;
    const end = Math.floor(only.length * (1 - validationFraction));
    train.add(only.subarray(0, end));
    if (end < only.length) validation.add(only.subarray(end));
  }
  const toSplit = (writer: ShardWriter) => ({ shards: writer.end(), lengths: writer.lengths });
  return {
    format: 1,
    hash,
    vocabSize: tokenizer.vocabSize,
    tokenizerHash: vocabulary.hash,
    documents,
    sources,
    train: toSplit(train),
    validation: toSplit(validation),
  };
}

/** Opens a dataset and checks every shard. Throws CorpusError naming the file. */
export async function openDataset(folder: string): Promise<Dataset> {
  const path = join(folder, indexFile);
  let file: DatasetFile;
  try {
    file = schema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    throw new CorpusError(
      path,
      `cannot be read (${(error as Error).message})`,
      'remove the folder, and the corpus is tokenized again',
    );
  }
  const width = tokenBytes(file.vocabSize);
  const open = async ({ shards, lengths }: DatasetFile['train']) => {
    for (const each of shards) await checkShard(folder, each, width);
    return new TokenSplit(folder, shards, lengths, width);
  };
  const [train, validation] = [await open(file.train), await open(file.validation)];
  const { format: _, ...fields } = file;
  return {
    ...fields,
    train,
    validation,
    close: () => {
      train.close();
      validation.close();
    },
  };
}

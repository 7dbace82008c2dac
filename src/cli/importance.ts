// minke convert --importance: what counts in a model's matrices, measured on a text or read from an importance matrix.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { openTokenizer } from '../engine/index.ts';
import { sum } from '../math/index.ts';
import {
  ggufImportance,
  type NamedImportance,
  readImportance,
  type ServingFormat,
  servingWeights,
  storedFormat,
  type TensorSource,
} from '../model/checkpoint/index.ts';
import { createModel, measureInputSquares } from '../model/index.ts';
import type { OpenedModel } from './find-config.ts';
import { Progress } from './progress.ts';
import { readWindows, windowTokens } from './text-windows.ts';

/** Windows of a text that are read at most: llama.cpp's default text has about as many tokens. */
const maxWindows = 256;

/** The best format of a checkpoint: blocks are decoded. */
export function bestFormat(source: TensorSource): ServingFormat {
  const own = storedFormat(source);
  return own === 'stored' || own === 'fp8' ? 'bf16' : own;
}

/** What an importance is made of, for the lineage. */
export function identify(file: string): { file: string; sha256: string } {
  return { file, sha256: createHash('sha256').update(readFileSync(file)).digest('hex') };
}

/** Measures a model that was opened from `path` on a text, or reads a .gguf file. */
export async function findImportance(file: string, path: string, opened: OpenedModel): Promise<NamedImportance> {
  if (file.endsWith('.gguf')) return readImportance(file);
  const { config, source, metadata } = opened;
  const { tokenizer } = openTokenizer(path, undefined, metadata ?? undefined);
  const windows = readWindows(tokenizer, file, maxWindows);
  const { weights } = await servingWeights(config, source, { format: bestFormat(source) });
  const model = createModel(config, weights, windowTokens + 1);
  const progress = new Progress(`measuring ${file}`, windows.length);
  try {
    const squares = await measureInputSquares(model, windows, (done) => progress.reach(done / windows.length));
    console.log(`importance of ${sum(windows.map(({ length }) => length))} tokens of ${file}`);
    return { file, byTensor: ggufImportance(config, squares) };
  } finally {
    progress.end();
    model.dispose();
    for (const weight of weights.values()) weight.dispose();
  }
}

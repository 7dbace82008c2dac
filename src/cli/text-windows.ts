// The text on which a model is measured, as windows of tokens.
import { existsSync, readFileSync } from 'node:fs';
import { CheckpointError } from '../model/checkpoint/index.ts';
import type { Tokenizer } from '../tokenizer/index.ts';

/** Tokens of a window. */
export const windowTokens = 256;

/** Cuts a text into at most `maxWindows` windows of ids, of which each has a token to predict. */
export function readWindows(tokenizer: Tokenizer, textFile: string, maxWindows: number): number[][] {
  if (!existsSync(textFile)) throw new CheckpointError(textFile, 'is missing', 'name a file of plain text');
  const ids = tokenizer.encode(readFileSync(textFile, 'utf8'));
  const count = Math.min(maxWindows, Math.ceil(ids.length / windowTokens));
  const windows = Array.from({ length: count }, (_, i) => [...ids.subarray(i * windowTokens, (i + 1) * windowTokens)]);
  const whole = windows.filter(({ length }) => length > 1);
  if (whole.length === 0) throw new CheckpointError(textFile, 'has fewer than two tokens', 'name a longer text');
  return whole;
}

// Log-probabilities besides the sampled token's: alternatives of sampled tokens, and those of prompt tokens.
//
// Only what was requested is computed, and logits are never read. Prompt rows are taken a few at a time, because a row
// has the whole vocabulary. Shape letters: R rows, V vocabulary.
import type { Device } from '../kernels/index.ts';
import { fromArray, type Tensor, targetLogprobs, topLogprobs } from '../tensor/index.ts';
import type { GeneratedToken, TokenLogprob } from './generation.ts';
import type { ScheduledChunk } from './runner.ts';

/** The number of prompt rows whose logits exist at the same time. */
const promptRows = 128;

/** Queues the best tokens of all rows; resolves to a look-up by row. */
async function readTop(logits: Tensor, n: number): Promise<(row: number) => TokenLogprob[]> {
  const { ids, logprobs } = topLogprobs(logits, n);
  const [best, values] = (await Promise.all([ids.read(), logprobs.read()])) as [Int32Array, Float32Array];
  return (row) => Array.from({ length: n }, (_, i) => ({ id: best[row * n + i], logprob: values[row * n + i] }));
}

const none = () => [];

/** Queues the alternatives of `logits` [R, V], as many as each sequence requests. */
export async function queueAlternatives(
  chunks: readonly ScheduledChunk[],
  logits: Tensor | null,
  rowsEach: number | null = null,
): Promise<(row: number) => readonly TokenLogprob[]> {
  const max = Math.max(0, ...chunks.map(({ sequence }) => sequence.options.logprobs ?? 0));
  if (logits === null || max === 0) return none;
  const counts = chunks.flatMap(({ sequence, ids, sampleFrom }) =>
    Array<number>(rowsEach ?? ids.length - sampleFrom).fill(sequence.options.logprobs ?? 0),
  );
  const top = await readTop(logits, max);
  return (row) => top(row).slice(0, counts[row]);
}

interface PromptRow {
  readonly chunk: number;
  readonly row: number;
  readonly target: number;
}

/** Queues the log-probabilities of the prompt tokens after each row, where requested; by chunk. */
export async function queuePromptLogprobs(
  chunks: readonly ScheduledChunk[],
  device: Device,
  computeLogits: (rows: Tensor) => Tensor,
): Promise<GeneratedToken[][]> {
  const results: GeneratedToken[][] = chunks.map(() => []);
  let start = 0;
  const rows = chunks.flatMap(({ sequence, from, ids }, chunk): PromptRow[] => {
    start += ids.length;
    if (sequence.options.promptLogprobs === null) return [];
    const end = Math.min(from + ids.length, sequence.promptLength - 1);
    const first = start - ids.length;
    return Array.from({ length: Math.max(0, end - from) }, (_, i) => {
      return { chunk, row: first + i, target: sequence.token(from + i + 1) };
    });
  });
  const max = Math.max(0, ...chunks.map(({ sequence }) => sequence.options.promptLogprobs ?? 0));
  const pending: Promise<void>[] = [];
  for (let at = 0; at < rows.length; at += promptRows) {
    const some = rows.slice(at, at + promptRows);
    const i32 = (values: number[]) => fromArray(Int32Array.from(values), [values.length], { device });
    const logits = computeLogits(i32(some.map(({ row }) => row)));
    const targets = targetLogprobs(logits, i32(some.map(({ target }) => target)));
    const alternatives = max > 0 ? readTop(logits, max) : Promise.resolve(none);
    pending.push(
      Promise.all([targets.read(), alternatives]).then(([values, top]) => {
        for (const [i, { chunk, target }] of some.entries()) {
          const count = chunks[chunk]?.sequence.options.promptLogprobs ?? 0;
          const best = top(i).slice(0, count);
          results[chunk]?.push({ id: target, logprob: values[i], top: best });
        }
      }),
    );
  }
  await Promise.all(pending);
  return results;
}

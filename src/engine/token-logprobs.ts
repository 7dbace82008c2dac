// Log-probabilities beyond the drawn token's own: alternatives of drawn tokens, and those of a prompt's tokens.
//
// Only what was asked for is computed, and only numbers come back, never logits. Prompt rows are taken a few at a time,
// because a row has the whole vocabulary. Shape letters: R rows.
import type { Device } from '../kernels/index.ts';
import { fromArray, type Tensor, targetLogprobs, topLogprobs } from '../tensor/index.ts';
import type { GeneratedToken, TokenLogprob } from './generation.ts';
import type { ScheduledChunk } from './runner.ts';

/** Rows of a prompt whose logits exist at the same time. */
const promptRows = 128;

/** Best tokens of rows of logits, by row. Queued now, read later. */
async function readTop(logits: Tensor, n: number): Promise<(row: number) => TokenLogprob[]> {
  const { ids, logprobs } = topLogprobs(logits, n);
  const [best, values] = (await Promise.all([ids.read(), logprobs.read()])) as [Int32Array, Float32Array];
  return (row) => Array.from({ length: n }, (_, i) => ({ id: best[row * n + i], logprob: values[row * n + i] }));
}

const none = () => [];

/** Alternatives of the rows of `logits` [R, V], as many as each run asked for. */
export async function queueAlternatives(
  runs: readonly ScheduledChunk[],
  logits: Tensor | null,
  rowsEach: number | null = null,
): Promise<(row: number) => readonly TokenLogprob[]> {
  const most = Math.max(0, ...runs.map(({ sequence }) => sequence.options.logprobs ?? 0));
  if (logits === null || most === 0) return none;
  const counts = runs.flatMap(({ sequence, ids, sampleFrom }) =>
    Array<number>(rowsEach ?? ids.length - sampleFrom).fill(sequence.options.logprobs ?? 0),
  );
  const top = await readTop(logits, most);
  return (row) => top(row).slice(0, counts[row]);
}

interface PromptRow {
  readonly run: number;
  readonly row: number;
  readonly target: number;
}

/** Of every run the tokens after its rows, as far as they are the prompt's and were asked for. */
export async function queuePromptLogprobs(
  runs: readonly ScheduledChunk[],
  device: Device,
  logitsOf: (rows: Tensor) => Tensor,
): Promise<GeneratedToken[][]> {
  const results: GeneratedToken[][] = runs.map(() => []);
  let start = 0;
  const rows = runs.flatMap(({ sequence, from, ids }, run): PromptRow[] => {
    start += ids.length;
    if (sequence.options.promptLogprobs === null) return [];
    const end = Math.min(from + ids.length, sequence.promptLength - 1);
    const first = start - ids.length;
    return Array.from({ length: Math.max(0, end - from) }, (_, i) => {
      return { run, row: first + i, target: sequence.token(from + i + 1) };
    });
  });
  const most = Math.max(0, ...runs.map(({ sequence }) => sequence.options.promptLogprobs ?? 0));
  const pending: Promise<void>[] = [];
  for (let at = 0; at < rows.length; at += promptRows) {
    const some = rows.slice(at, at + promptRows);
    const i32 = (values: number[]) => fromArray(Int32Array.from(values), [values.length], { device });
    const logits = logitsOf(i32(some.map(({ row }) => row)));
    const targets = targetLogprobs(logits, i32(some.map(({ target }) => target)));
    const alternatives = most > 0 ? readTop(logits, most) : Promise.resolve(none);
    pending.push(
      Promise.all([targets.read(), alternatives]).then(([values, top]) => {
        for (const [i, { run, target }] of some.entries()) {
          const wanted = runs[run]?.sequence.options.promptLogprobs ?? 0;
          const best = top(i).slice(0, wanted);
          results[run]?.push({ id: target, logprob: values[i], top: best });
        }
      }),
    );
  }
  await Promise.all(pending);
  return results;
}

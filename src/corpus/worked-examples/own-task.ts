// Worked examples of a user's task: it works its problems in a thread of its own, and documents are made of them here.
//
// Contract: seed and index determine a document, wherever a reading begins. The task is opened for a reading and closed
// with it.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { Random } from '../../math/index.ts';
import { type Grading, openTask, type Phrasing, type ProblemPlace, type WorkedProblem } from '../../tasks/index.ts';
import { CorpusError } from '../errors.ts';
import { composeWorked, type SpeakerNames, taggedShare } from './document.ts';

export interface OwnExamples {
  /** The file that exports the task. */
  readonly file: string;
  readonly seed: number;
  /** @default any level */
  readonly difficulty?: number | undefined;
  /** @default 'canonical' */
  readonly phrasing?: Phrasing | undefined;
  /** @default 'people' */
  readonly speakers?: SpeakerNames | undefined;
}

/** Problems that the thread works at once. */
const batch = 256;

/** An example, and the random numbers of what is made of it. */
export interface OwnExample {
  readonly random: Random;
  readonly difficulty: number;
  readonly worked: WorkedProblem;
}

/** Returns how a lineage names a user's task: with a hash of its file. Throws CorpusError. */
export function describeTaskFile(file: string): string {
  if (!existsSync(file)) throw new CorpusError(file, 'no such file', 'name a file that exports a task');
  return `${file} ${createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 16)}`;
}

async function workBatch(
  task: Grading,
  { seed, difficulty, phrasing = 'canonical' }: OwnExamples,
  indices: readonly number[],
): Promise<OwnExample[]> {
  const { from, to } = task.difficulty;
  const drafts = indices.map((index) => {
    const random = new Random(seed, index);
    return { random, index, difficulty: difficulty ?? random.whole(from, to) };
  });
  const places = drafts.map(
    (draft): ProblemPlace => ({ seed, index: draft.index, difficulty: draft.difficulty, split: 'train', phrasing }),
  );
  const worked = await task.examples(places);
  return drafts.map((draft, i) => ({ random: draft.random, difficulty: draft.difficulty, worked: worked[i] }));
}

/** Works examples `from` to `to`, without the last. Throws TaskError. */
export async function* workOwnTask(examples: OwnExamples, from: number, to: number): AsyncGenerator<OwnExample> {
  const task = await openTask(examples.file);
  try {
    for (let start = from; start < to; start += batch) {
      const indices = Array.from({ length: Math.min(batch, to - start) }, (_, i) => start + i);
      yield* await workBatch(task, examples, indices);
    }
  } finally {
    await task.close();
  }
}

/** Writes examples `from` to `to` as documents, without the last. Throws TaskError. */
export async function* ownDocuments(examples: OwnExamples, from: number, to: number): AsyncGenerator<string> {
  for await (const { random, difficulty, worked } of workOwnTask(examples, from, to))
    yield composeWorked(random, worked, {
      difficulty,
      isTagged: random.chance(taggedShare),
      speakers: examples.speakers,
    });
}

// The worked examples that a base model reads, by task, and how a recipe names them. Those of a task with steps are
// made of these, a user's task included; those that search, err, and give up have a line here.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { Random } from '../../math/index.ts';
import { bundledTasks, isTaskFile, type Problem, phrasingNames, taskFile } from '../../tasks/index.ts';
import type { Synthetic } from '../documents.ts';
import { arithmeticExamples } from './arithmetic.ts';
import { countdownExamples } from './countdown.ts';
import { type DocumentGenerator, fromSteps, speakerNames, toDocuments, type WorkedExamples } from './document.ts';
import { describeTaskFile, ownDocuments } from './own-task.ts';
import { sequenceExamples } from './sequence.ts';
import { tracedDocuments } from './traces.ts';
import { workedWordProblems } from './word-problems.ts';

export type { WorkedExamples } from './document.ts';
export { describeTaskFile, type OwnExamples, workOwnTask } from './own-task.ts';
export { joinLines } from './scratchpad.ts';

/** Examples with slips, corrections, and dead ends. */
const searched = [countdownExamples, arithmeticExamples, sequenceExamples] as unknown as WorkedExamples<Problem>[];
const straight = [...bundledTasks.values()].filter(({ steps }) => steps !== undefined).map(fromSteps);

/** The worked examples of bundled tasks, by the name of the task. */
export const workedExamples: ReadonlyMap<string, WorkedExamples<Problem>> = new Map(
  [...searched, ...straight].map((examples) => [examples.task.name, examples]),
);

/** Worked examples that are read from a file: solved word problems, and a teacher's traces. */
const fileReaders = { 'word-problems': workedWordProblems, traces: tracedDocuments } as const;
type FileSort = keyof typeof fileReaders;
const isFileSort = (name: string): name is FileSort => Object.hasOwn(fileReaders, name);

const name = z.enum([...(Object.keys(fileReaders) as FileSort[]), ...workedExamples.keys()]);
const noTask = `expected a file with a task, word-problems, traces, or ${[...workedExamples.keys()].join(', ')}`;
/** `file`: word problems in the form of GSM8K (tasks/word-problems.ts), or traces.jsonl. */
const shared = {
  file: z.string().meta({ names: 'file' }).optional(),
  seed: z.number().int().default(1),
  count: z.number().int().positive(),
  /** One level alone. @default all levels */
  difficulty: z.number().int().optional(),
  /** @default 'canonical' */
  phrasing: z.enum(phrasingNames).optional(),
  /** roles: User and Assistant are among the names of those who ask and answer, in either role. @default 'people' */
  speakers: z.enum(speakerNames).optional(),
};

const isLevel = (input: { readonly workedExamples: string; readonly difficulty?: number | undefined }) => {
  if (isTaskFile(input.workedExamples)) return true; // it says so itself when it is opened
  const level = workedExamples.get(input.workedExamples)?.task.difficulty;
  return input.difficulty === undefined || (level && input.difficulty >= level.from && input.difficulty <= level.to);
};

/**
 * An input of a recipe: `count` worked examples of a bundled task, of a user's task by its file, of the word problems
 * in a file, or of a teacher's traces in a file. Run folders and recipes from before 0.2 say `pages`.
 */
export const workedExamplesInput = z
  .union([
    z.strictObject({ workedExamples: z.union([name, taskFile], noTask), ...shared }),
    z.strictObject({ pages: name, ...shared }).transform(({ pages, ...rest }) => ({ workedExamples: pages, ...rest })),
  ])
  .refine(({ workedExamples, file }) => isFileSort(workedExamples) === (file !== undefined), {
    message: 'word-problems and traces need a file, and nothing else does',
  })
  .refine(({ file, phrasing, speakers }) => file === undefined || (phrasing === undefined && speakers === undefined), {
    message: 'a file has its own words: leave phrasing and speakers out',
  })
  .refine(isLevel, { message: 'the task has no such difficulty: leave it out, or choose one of its levels' });

export function toSynthetic(input: z.output<typeof workedExamplesInput>): Synthetic {
  const { seed, count, difficulty, phrasing, speakers } = input;
  const { source, documents } = openSource(input);
  const level = difficulty === undefined ? '' : `, difficulty ${difficulty}`;
  const words = phrasing === 'varied' ? ', varied phrasings' : '';
  const people = speakers === 'roles' ? ', User and Assistant' : '';
  return {
    name: `worked examples of ${source}${level}${words}${people}`,
    seed,
    count,
    documents,
  };
}

type Source = Pick<Synthetic, 'documents'> & { readonly source: string };

function openSource(input: z.output<typeof workedExamplesInput>): Source {
  const { workedExamples: task, file, seed, difficulty, phrasing, speakers } = input;
  if (isTaskFile(task)) {
    const examples = { file: task, seed, difficulty, phrasing, speakers };
    return { source: describeTaskFile(task), documents: (from, to) => ownDocuments(examples, from, to) };
  }
  if (file === undefined || !isFileSort(task)) {
    const examples = workedExamples.get(task) as WorkedExamples<Problem>;
    return { source: task, documents: generated(toDocuments(examples, { difficulty, phrasing, speakers }), seed) };
  }
  const hash = createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 16);
  return { source: `${task} ${hash}`, documents: generated(fileReaders[task](file), seed) };
}

/** Makes each document from a stream of random numbers of its own. */
const generated = (generate: DocumentGenerator, seed: number): Synthetic['documents'] =>
  function* (from, to) {
    for (let index = from; index < to; index++) yield generate(new Random(seed, index));
  };

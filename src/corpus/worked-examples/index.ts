// The worked examples that a base model reads, by task, and how a recipe names them. A task joins with one line here.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { Random } from '../../tasks/index.ts';
import type { Synthetic } from '../documents.ts';
import { arithmeticExamples } from './arithmetic.ts';
import { countdownExamples } from './countdown.ts';
import { type DocumentGenerator, toDocuments } from './document.ts';
import { sequenceExamples } from './sequence.ts';
import { workedWordProblems } from './word-problems.ts';

const generators = {
  countdown: toDocuments(countdownExamples),
  arithmetic: toDocuments(arithmeticExamples),
  sequence: toDocuments(sequenceExamples),
} satisfies Record<string, DocumentGenerator>;

type BundledName = keyof typeof generators;

const name = z.enum(Object.keys(generators) as [BundledName, ...BundledName[]]);
const ofFile = z.literal('word-problems');
const shared = { seed: z.number().int().default(1), count: z.number().int().positive() };
/** A file in the form of GSM8K: tasks/word-problems.ts. */
const file = z.string();

const current = z.discriminatedUnion('workedExamples', [
  z.strictObject({ workedExamples: name, ...shared }),
  z.strictObject({ workedExamples: ofFile, file, ...shared }),
]);
/** The key of run folders and recipes from before 0.2. */
const former = z.discriminatedUnion('pages', [
  z.strictObject({ pages: name, ...shared }).transform(({ pages, ...rest }) => ({ workedExamples: pages, ...rest })),
  z
    .strictObject({ pages: ofFile, file, ...shared })
    .transform(({ pages, ...rest }) => ({ workedExamples: pages, ...rest })),
]);

/** An input of a recipe: `count` worked examples of a bundled task, or of the word problems in a file. */
export const workedExamplesInput = z.union([current, former]);

export function toSynthetic(input: z.output<typeof workedExamplesInput>): Synthetic {
  const { seed, count } = input;
  let generate: DocumentGenerator;
  let source: string = input.workedExamples;
  if (input.workedExamples === 'word-problems') {
    generate = workedWordProblems(input.file);
    source += ` ${createHash('sha256').update(readFileSync(input.file)).digest('hex').slice(0, 16)}`;
  } else generate = generators[input.workedExamples];
  // The name is a part of the dataset's hash, so it keeps the earlier word for worked examples.
  return { name: `pages of ${source}`, seed, count, document: (key, index) => generate(new Random(key, index)) };
}

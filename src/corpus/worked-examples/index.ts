// The worked examples that a base model reads, by task, and how a recipe names them. A task joins with one line here.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { Random } from '../../math/index.ts';
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

type Name = keyof typeof generators | 'word-problems';
const name = z.enum(['word-problems', ...(Object.keys(generators) as Name[])]);
/** `file`: word problems in the form of GSM8K (tasks/word-problems.ts). */
const shared = {
  file: z.string().meta({ names: 'file' }).optional(),
  seed: z.number().int().default(1),
  count: z.number().int().positive(),
};

/**
 * An input of a recipe: `count` worked examples of a bundled task, or of the word problems in a file. Run folders and
 * recipes from before 0.2 say `pages`.
 */
export const workedExamplesInput = z
  .union([
    z.strictObject({ workedExamples: name, ...shared }),
    z.strictObject({ pages: name, ...shared }).transform(({ pages, ...rest }) => ({ workedExamples: pages, ...rest })),
  ])
  .refine(({ workedExamples, file }) => (workedExamples === 'word-problems') === (file !== undefined), {
    message: 'word-problems need a file, and nothing else does',
  });

export function toSynthetic({ workedExamples, file, seed, count }: z.output<typeof workedExamplesInput>): Synthetic {
  const [generate, source] =
    file === undefined || workedExamples !== 'word-problems'
      ? [generators[workedExamples as keyof typeof generators], workedExamples]
      : [
          workedWordProblems(file),
          `${workedExamples} ${createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 16)}`,
        ];
  return {
    name: `worked examples of ${source}`,
    seed,
    count,
    document: (key, index) => generate(new Random(key, index)),
  };
}

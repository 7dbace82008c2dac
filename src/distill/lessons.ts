// Traces as a student reads them: tokens, and which of them make a step.
//
// Contract: a step's lessons are a function of traces, seed and step number alone, so that a resumed run learns what it
// would have learned; each epoch has an order of its own and holds every lesson once.
import { encodePrompt, permuted } from '../corpus/index.ts';
import type { Tokenizer } from '../tokenizer/index.ts';
import type { DistilConfig } from './config.ts';
import type { Lesson } from './sft-objective.ts';
import type { Trace } from './traces.ts';

const thinkEnd = '</think>';

/** What of a response is learned; the answer keeps the tag that closes the thinking, so that it can be read. */
function learnedText(response: string, learn: DistilConfig['learn']): string {
  return learn === 'response' ? response : response.slice(response.indexOf(thinkEnd));
}

/** Traces as tokens, those left out that are longer than `longest` tokens. */
export function lessonsOf(
  traces: readonly Trace[],
  { tokenizer, endId, learn, longest }: LessonOptions,
): { readonly lessons: Lesson[]; readonly tooLong: number } {
  const encode = (text: string) => tokenizer.encode(text, { plain: true });
  const all = traces.map(({ prompt, response }) => ({
    prompt: encodePrompt(tokenizer, prompt),
    response: [...encode(learnedText(response, learn)), endId],
  }));
  const lessons = all.filter(({ prompt, response }) => prompt.length + response.length <= longest);
  return { lessons, tooLong: all.length - lessons.length };
}

export interface LessonOptions {
  readonly tokenizer: Tokenizer;
  readonly endId: number;
  readonly learn: DistilConfig['learn'];
  readonly longest: number;
}

export const stepsOfEpoch = (lessons: number, batch: number) => Math.ceil(lessons / batch);

/** The lessons of step 1, 2, ...; the last step of an epoch may have fewer. */
export function lessonsOfStep(
  lessons: readonly Lesson[],
  step: number,
  { batch, seed }: Pick<DistilConfig, 'batch' | 'seed'>,
): Lesson[] {
  const each = stepsOfEpoch(lessons.length, batch);
  const epoch = Math.floor((step - 1) / each);
  const from = ((step - 1) % each) * batch;
  const places = Array.from({ length: Math.min(batch, lessons.length - from) }, (_, i) => from + i);
  return places.map((place) => lessons[permuted(place, lessons.length, seed, epoch)]);
}

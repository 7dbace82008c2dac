// Worked examples that a teacher wrote: the traces of a distillation, or of minke examples, as documents for a base.
//
// A trace is read more than once where more documents are asked for than there are traces; tags and names differ.
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { isHeldOut, readResponse, type WorkedProblem } from '../../tasks/index.ts';
import { CorpusError } from '../errors.ts';
import { composeWorked, type DocumentGenerator, taggedShare } from './document.ts';

/** The fields of a trace that a document needs. */
const trace = z.object({
  prompt: z.tuple([z.string(), z.string(), z.string()]),
  response: z.string(),
  key: z.string(),
});

/** Returns the worked problem of a line; null where its problem is held out, or where it has no answer. */
function readTrace(line: string, place: string): WorkedProblem | null {
  const { data } = trace.safeParse(parseJson(line));
  if (data === undefined)
    throw new CorpusError(
      place,
      'is no trace: {"prompt":[before, problem, after],"response","key"}',
      'remove the line',
    );
  const { prompt, response, key } = data;
  const { thinking, answer } = readResponse(response);
  const steps = thinking.split('\n').filter((step) => step.trim() !== '');
  if (isHeldOut(key) || answer === null || steps.length === 0) return null;
  return { problem: { prompt: prompt[1], key }, steps, answer: answer.trim() };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Makes documents of the traces in a file. Throws CorpusError. */
export function tracedDocuments(path: string): DocumentGenerator {
  if (!existsSync(path)) throw new CorpusError(path, 'no such file', 'name a traces.jsonl');
  const lines = readFileSync(path, 'utf8').split('\n');
  const problems = lines.flatMap((line, i) => (line === '' ? [] : (readTrace(line, `${path}, line ${i + 1}`) ?? [])));
  if (problems.length === 0)
    throw new CorpusError(path, 'has no trace of a training problem', 'collect traces with minke examples');
  return (random) => {
    const worked = random.pick(problems);
    return composeWorked(random, worked, { difficulty: 0, isTagged: random.chance(taggedShare) });
  };
}

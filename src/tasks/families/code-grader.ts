// The task of small functions with its grader, loaded in a thread of its own: a program may use all of its time.
import type { Task, Verdict } from '../task.ts';
import { type CodeProblem, code } from './code.ts';
import { loadInterpreters, runProgram } from './program.ts';

await loadInterpreters();

const maxLength = 400;

function grade({ cases }: CodeProblem, answer: string): Verdict {
  const wrong = (reason: string): Verdict => ({ correct: false, reason });
  if (answer.length > maxLength) return wrong(`the program has more than ${maxLength} characters`);
  const outcome = runProgram(
    answer,
    cases.map(({ args }) => args),
  );
  if ('problem' in outcome) return wrong(outcome.problem);
  const at = cases.findIndex(({ expected }, i) => outcome.results[i] !== JSON.stringify(expected));
  if (at < 0) return { correct: true, reason: `it returns what it should in ${cases.length} cases` };
  const { args, expected } = cases[at];
  const call = args.map((each) => JSON.stringify(each)).join(', ');
  const returned = String(outcome.results[at]).slice(0, 60);
  return wrong(`with ${call} it returns ${returned}, not ${JSON.stringify(expected)}`);
}

export const task: Task<CodeProblem> = { ...code, grade };

// Small talk as a task: what people say besides problems, answered in words. A run names it `small-talk` among its
// tasks.
//
// A rule can only say whether a reply is short and in words; whether it fits is for a reward model. Held-out problems
// say what no training says (corpus/conversations).
import { conversationAt, smallTalkSorts } from '../corpus/index.ts';
import { Random } from '../math/index.ts';
import {
  type ChosenTask,
  Grading,
  openTasks,
  type ProblemPlace,
  readReply,
  type StepOutcome,
  type StepRequest,
  type StepRunner,
  smallTalkTask,
  type Verdict,
} from '../tasks/index.ts';
import { EvaluationError } from './errors.ts';

/** The longest reply that counts as short, in characters. */
const maxLength = 240;
/** Names the stream of random numbers that chooses what is said. */
const sortStream = 73;

/** Judges a reply by what a rule can see. */
export function gradeReply(reply: string): Verdict {
  const wrong = (reason: string) => ({ correct: false, reason });
  if (reply.length > maxLength) return wrong(`the reply has more than ${maxLength} characters`);
  const words = reply.match(/\p{L}+/gu) ?? [];
  if (words.length === 0) return wrong('the reply has no word');
  if (/\d/.test(reply) && words.length < 3) return wrong('the reply is a number');
  const sentences = reply.split(/(?<=[.!?])\s+/);
  if (new Set(sentences).size < sentences.length) return wrong('the reply repeats itself');
  return { correct: true, reason: 'a short reply in words' };
}

function say({ seed, index, split }: ProblemPlace) {
  const sort = new Random(seed, index, sortStream).pick(smallTalkSorts);
  const [{ content }] = conversationAt(sort, { seed, index, split });
  return { prompt: content, key: `${sort} ${content}` };
}

class SmallTalk implements StepRunner {
  async run(request: StepRequest): Promise<StepOutcome[]> {
    if (request.step === 'problem') return request.inputs.map((place) => ({ value: say(place) }));
    if (request.step === 'grade') return request.inputs.map(({ answer }) => ({ value: gradeReply(answer) }));
    return request.inputs.map(() => ({ value: null }));
  }

  async close(): Promise<void> {}
}

const facts = {
  name: smallTalkTask,
  description: 'Answer a greeting, a question about yourself, or one that is out of scope, in words.',
  difficulty: { from: 1, to: 1, default: 1 },
};

type Choice = Parameters<typeof openTasks>[0][number];

function openSmallTalk({ difficulty = 1, share, phrasing }: Choice): ChosenTask {
  if (difficulty !== 1)
    throw new EvaluationError(smallTalkTask, `has no difficulty ${difficulty}`, 'leave the difficulty out');
  return { task: new Grading(facts, new SmallTalk(), readReply), difficulty, share, phrasing };
}

/** Opens the tasks of a run, small talk among them. Throws TaskError or EvaluationError. */
export async function openRunTasks(choices: readonly Choice[], seed: number): Promise<ChosenTask[]> {
  const talks = choices.map((choice) => (choice.task === smallTalkTask ? openSmallTalk(choice) : null));
  const others = await openTasks(
    choices.filter((_, i) => talks[i] === null),
    seed,
  );
  return talks.map((talk) => talk ?? (others.shift() as ChosenTask));
}

// Conversations from which a model learns to talk: greetings, abilities, refusals, second turns, system texts,
// problems.
//
// Each is a list of messages as in the JSONL files of supervised fine-tuning. Seed and index determine a conversation.
// Held-out conversations use texts that no training sees, and problems on the held-out side of the split.
import { z } from 'zod';
import { Random } from '../../math/index.ts';
import { isTaskFile, type Split, taskFile } from '../../tasks/index.ts';
import { describeTaskFile, workedExamples } from '../worked-examples/index.ts';
import type { Conversation, ConversationGenerator } from './conversation.ts';
import { aside, changeOfSubject, doubt, followUp, thankedProblem } from './follow-ups.ts';
import { smallTalk } from './preferences.ts';
import { underSystemText } from './system-texts.ts';
import { toolCalls } from './tool-calls.ts';
import { ownProblems, type ProblemChoice, workedProblem } from './worked-problems.ts';

export type { Conversation, Message } from './conversation.ts';
export { type PreferencePair, preferenceAt, replyFaults, smallTalkSorts } from './preferences.ts';

const generators = {
  ...smallTalk,
  'follow-ups': followUp,
  doubts: doubt,
  'changes-of-subject': changeOfSubject,
  'thanked-problems': thankedProblem,
  'system-texts': underSystemText,
  problems: workedProblem,
  asides: aside,
  'tool-calls': toolCalls,
} satisfies Record<string, ConversationGenerator>;

export type ConversationSort = keyof typeof generators;
export const conversationSorts = Object.keys(generators) as [ConversationSort, ...ConversationSort[]];

/** Returns conversation `index` of a seed. `problems` may be those of one task and level. */
export function conversationAt(
  sort: ConversationSort,
  {
    seed,
    index,
    split,
    ...choice
  }: ProblemChoice & { readonly seed: number; readonly index: number; readonly split: Split },
): Conversation {
  const random = new Random(seed, index, conversationSorts.indexOf(sort));
  return sort === 'problems' ? workedProblem(random, split, choice) : generators[sort](random, split);
}

/** An input of a recipe: `count` conversations of a sort; `problems` of one task or of all; the task may be a file. */
export const conversationsInput = z
  .strictObject({
    conversations: z.enum(conversationSorts),
    task: z
      .union([z.enum([...workedExamples.keys()]), taskFile], 'expected a bundled task, or a file that exports one')
      .optional(),
    difficulty: z.number().int().optional(),
    seed: z.number().int().default(1),
    count: z.number().int().positive(),
  })
  .refine(({ conversations, task }) => task === undefined || conversations === 'problems', {
    message: 'only problems are of a task',
  })
  .refine(
    ({ task, difficulty }) => {
      if (isTaskFile(task ?? '')) return true; // it says so itself when it is opened
      const level = workedExamples.get(task ?? '')?.task.difficulty;
      return difficulty === undefined || (level && difficulty >= level.from && difficulty <= level.to);
    },
    { message: 'difficulty is a level of the task: name both' },
  );

type ConversationsInput = z.output<typeof conversationsInput>;

/** Makes the conversations of an input, on the training side of the split. Throws TaskError. */
export async function toConversations(input: ConversationsInput): Promise<Conversation[]> {
  const { conversations: sort, count, task = '', seed, difficulty } = input;
  if (isTaskFile(task)) return ownProblems({ file: task, seed, difficulty }, count);
  const place = { task: input.task, seed, difficulty, split: 'train' } as const;
  return Array.from({ length: count }, (_, index) => conversationAt(sort, { ...place, index }));
}

/** Returns what decides the conversations of an input, as text: a user's task with a hash of its file. */
export function describeConversations(input: ConversationsInput): string {
  const { task = '' } = input;
  return JSON.stringify(isTaskFile(task) ? { ...input, task: describeTaskFile(task) } : input);
}

// Conversations as documents that a base model reads: two people with names talk, and no tag shows who thinks.

import type { z } from 'zod';
import { Random } from '../../math/index.ts';
import type { Synthetic } from '../documents.ts';
import type { Conversation } from './conversation.ts';
import { conversationAt, type conversationsInput } from './index.ts';

const names = ['Ada', 'Ben', 'Chloe', 'Dev', 'Emil', 'Fay', 'Gus', 'Hana'] as const;
const tags = /<\/?(?:think|answer)>\n?/g;

function toDialogue(random: Random, conversation: Conversation): string {
  const [asker, answerer] = random.shuffled(names);
  const speaker = { system: 'Note', user: asker, assistant: answerer, tool: 'Note' };
  return conversation.map(({ role, content }) => `${speaker[role]}: ${content.replace(tags, '')}\n`).join('');
}

/** Returns the conversations of an input as documents. */
export function toDialogues(input: z.output<typeof conversationsInput>): Synthetic {
  const { conversations: sort, task, difficulty, seed, count } = input;
  const choice = [sort, ...(task === undefined ? [] : [task]), ...(difficulty === undefined ? [] : [difficulty])];
  return {
    name: `dialogues of ${choice.join(' ')}`,
    seed,
    count,
    *documents(from, to) {
      for (let index = from; index < to; index++) {
        const conversation = conversationAt(sort, { task, difficulty, seed, index, split: 'train' });
        yield toDialogue(new Random(seed, index), conversation);
      }
    },
  };
}

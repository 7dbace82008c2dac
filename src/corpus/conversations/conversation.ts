// A conversation, and how its texts are chosen: some of them no training sees.
//
// Contract: all randomness comes from `random`. Of each list of what people say, every third text is held out, as with
// phrasings of tasks; held-out conversations say nothing else. What the assistant says is never held out.
import type { Random } from '../../math/index.ts';
import { isHeldOutPhrasing, type Split, typeInHaste } from '../../tasks/index.ts';

export interface Message {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string;
}

export type Conversation = readonly Message[];

/** Makes a conversation. */
export type ConversationGenerator = (random: Random, split: Split) => Conversation;

export const user = (content: string): Message => ({ role: 'user', content });
export const assistant = (content: string): Message => ({ role: 'assistant', content });
export const system = (content: string): Message => ({ role: 'system', content });

/** What people say, each in one of several ways, and what is answered. */
export interface Exchange {
  readonly says: readonly string[];
  readonly replies: readonly string[];
}

const hasteShare = 0.4;

/** Draws what somebody says, now and then as typed in haste. */
export function say(random: Random, texts: readonly string[], split: Split): string {
  const own = texts.filter((_, i) => isHeldOutPhrasing(i) === (split === 'held-out'));
  const text = random.pick(own);
  return random.chance(hasteShare) ? typeInHaste(text).replace(/!$/, '') : text;
}

/** Draws one of several exchanges. */
export function exchange(random: Random, exchanges: readonly Exchange[], split: Split): Conversation {
  const { says, replies } = random.pick(exchanges);
  return [user(say(random, says, split)), assistant(random.pick(replies))];
}

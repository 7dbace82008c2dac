// Pairs of replies to what people say: one fits, the other has a fault. A reward model learns from them which is which.
//
// Contract: seed and index determine a pair, as with conversations. Held-out pairs answer what no training says. The
// faults are those that a small model makes: another turn's reply, no reply, a computation, too many words, half of
// them, words out of order, an echo.
import { Random } from '../../math/index.ts';
import { type Split, typeInHaste } from '../../tasks/index.ts';
import { type Conversation, type ConversationGenerator, exchange } from './conversation.ts';
import { outOfScope } from './out-of-scope.ts';
import { greetings, questions, thanks } from './small-talk.ts';
import { workedProblem } from './worked-problems.ts';

/** What people say besides problems, by sort. */
export const smallTalk = {
  greetings: (random, split) => exchange(random, greetings, split),
  abilities: (random, split) => exchange(random, questions, split),
  thanks: (random, split) => exchange(random, thanks, split),
  'out-of-scope': outOfScope,
} satisfies Record<string, ConversationGenerator>;

export type SmallTalkSort = keyof typeof smallTalk;
export const smallTalkSorts = Object.keys(smallTalk) as SmallTalkSort[];

/** What a fault is made of. */
interface Faulty {
  readonly random: Random;
  readonly sort: SmallTalkSort;
  readonly said: string;
  readonly good: string;
}

const lastText = (conversation: Conversation) => (conversation.at(-1) as Conversation[number]).content;

/** The reply to something of another sort. */
function replyElsewhere({ random, sort }: Omit<Faulty, 'said' | 'good'>): string {
  const other = random.pick(smallTalkSorts.filter((name) => name !== sort));
  return lastText(smallTalk[other](random, 'train'));
}

/** Makes bad replies; one that happens to be the good one is drawn again. */
const faults: Readonly<Record<string, (faulty: Faulty) => string>> = {
  'another turn': replyElsewhere,
  empty: () => '',
  computation: ({ random }) => lastText(workedProblem(random, 'train')),
  'too long': (faulty) =>
    [faulty.good, ...Array.from({ length: faulty.random.whole(2, 4) }, () => replyElsewhere(faulty))].join(' '),
  'cut off': ({ good }) => {
    const words = good.split(' ');
    return words.slice(0, Math.floor(words.length / 2)).join(' ');
  },
  'words out of order': ({ random, good }) => random.shuffled(good.split(' ')).join(' '),
  echo: ({ said }) => typeInHaste(said),
};

export const replyFaults = Object.keys(faults);

export interface PreferencePair {
  readonly said: string;
  readonly good: string;
  readonly bad: string;
  /** What is wrong with the bad reply. */
  readonly fault: string;
}

/** Returns pair `index` of a seed. */
export function preferenceAt(seed: number, index: number, split: Split): PreferencePair {
  const random = new Random(seed, index, split === 'train' ? 0 : 1);
  const sort = random.pick(smallTalkSorts);
  const conversation = smallTalk[sort](random, split);
  const [said, good] = [conversation[0].content, lastText(conversation)];
  for (;;) {
    const fault = random.pick(replyFaults);
    const bad = faults[fault]({ random, sort, said, good });
    if (bad !== good) return { said, good, bad, fault };
  }
}

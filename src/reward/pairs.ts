// Pairs of replies as tokens: prompt and response as the scored model generates them, each with its end token.
import { type BaseVocabulary, encodePrompt, encodeResponse, preferenceAt, toResponse } from '../corpus/index.ts';
import { type Split, toPrompt } from '../tasks/index.ts';
import type { RewardConfig } from './reward-recipe.ts';

export interface EncodedPair {
  readonly good: readonly number[];
  readonly bad: readonly number[];
  /** What is wrong with the bad reply. */
  readonly fault: string;
}

/** Returns the first `count` pairs of a split. */
export function encodePairs(
  { tokenizer, endId }: Pick<BaseVocabulary, 'tokenizer' | 'endId'>,
  { template, seed }: Pick<RewardConfig, 'template' | 'seed'>,
  count: number,
  split: Split,
): EncodedPair[] {
  return Array.from({ length: count }, (_, index) => {
    const { said, good, bad, fault } = preferenceAt(seed, index, split);
    const prompt = encodePrompt(tokenizer, toPrompt(template, said));
    const encode = (reply: string) => [...prompt, ...encodeResponse(tokenizer, toResponse(reply, true)), endId];
    return { good: encode(good), bad: encode(bad), fault };
  });
}

// The tags around a model's thinking: single tokens where the vocabulary has them, else text over several tokens.
import type { LoadedTokenizer } from '../tokenizer/index.ts';

export const openTag = '<think>';
export const closeTag = '</think>';

/** Ids of the tags as tokens; null when the vocabulary lacks one of them, and both are recognised by their text. */
export interface ThinkTokens {
  readonly open: number;
  readonly close: number;
}

export function thinkTokensOf({ tokenizer }: LoadedTokenizer): ThinkTokens | null {
  const [open, close] = [tokenizer.idOf(openTag), tokenizer.idOf(closeTag)];
  return open === undefined || close === undefined ? null : { open, close };
}

/**
 * Ids that end a thinking: of `</think>`, with the line break before it where the chat template opens the thinking
 * with a line of its own, as R1's does. What follows the tag is left to the model. Throws TokenizerError when the
 * vocabulary cannot write the tag.
 */
export function closingIds(loaded: LoadedTokenizer): readonly number[] {
  const { tokenizer, chatTemplate } = loaded;
  const ownLine = chatTemplate !== null && /<think>(\\n|\n)/.test(chatTemplate.text);
  return [...tokenizer.encode(ownLine ? `\n${closeTag}` : closeTag)];
}

// The tags around a model's thinking: single tokens where the vocabulary has them, else text of several tokens.
import { type LoadedTokenizer, type Tokenizer, TokenizerError } from '../tokenizer/index.ts';
import { RefusedError } from './generation.ts';

export const openTag = '<think>';
export const closeTag = '</think>';

/** Ids of the tags as tokens. */
export interface ThinkTokens {
  readonly open: number;
  readonly close: number;
}

/** Finds the tags as tokens; null when the vocabulary lacks one, so that both are recognized by their text. */
export function findThinkTokens({ tokenizer }: LoadedTokenizer): ThinkTokens | null {
  const [open, close] = [tokenizer.tokenToId(openTag), tokenizer.tokenToId(closeTag)];
  return open === undefined || close === undefined ? null : { open, close };
}

/** Whether token ids end inside the thinking: the last tag in them is the opening one. */
export function endsInThinking(loaded: LoadedTokenizer, ids: Int32Array): boolean {
  const tags = findThinkTokens(loaded);
  if (tags !== null) return ids.lastIndexOf(tags.open) > ids.lastIndexOf(tags.close);
  const text = loaded.tokenizer.decode(ids);
  return text.lastIndexOf(openTag) > text.lastIndexOf(closeTag);
}

/**
 * Returns the ids that end the thinking: `</think>`, with a line break before it where the chat template opens the
 * thinking with a line of its own, as R1's does. What follows the tag is left to the model. Throws RefusedError when
 * the vocabulary cannot write the tag.
 */
export function closingIds({ tokenizer, chatTemplate }: LoadedTokenizer): readonly number[] {
  const ownLine = chatTemplate !== null && /<think>(\\n|\n)/.test(chatTemplate.text);
  const text = ownLine ? `\n${closeTag}` : closeTag;
  const ids = encodeOrNothing(tokenizer, text);
  if (tokenizer.decode(ids) === text) return ids;
  const expected = `a model whose vocabulary can write ${closeTag}, which ends the thinking`;
  throw new RefusedError('invalid', `reasoningBudget: expected ${expected}; leave it out`, 'reasoningBudget');
}

/** Encodes a text; no ids when the vocabulary lacks one of its characters. */
function encodeOrNothing(tokenizer: Tokenizer, text: string): readonly number[] {
  try {
    return [...tokenizer.encode(text)];
  } catch (error) {
    if (error instanceof TokenizerError) return [];
    throw error;
  }
}

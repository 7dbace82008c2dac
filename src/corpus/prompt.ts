// A prompt as tokens. Each part is encoded separately, as in chat: no token spans a border.
import type { PromptParts } from '../tasks/index.ts';
import type { Tokenizer } from '../tokenizer/index.ts';

/** Returns the ids of a prompt, after the tokens that the tokenizer puts before every text. */
export function encodePrompt(tokenizer: Tokenizer, parts: PromptParts): Int32Array {
  const first = tokenizer.encode('', { addSpecialTokens: true });
  return Int32Array.of(...first, ...parts.flatMap((part) => [...tokenizer.encode(part, { plain: true })]));
}

// A prompt as tokens: each part by itself, so that no token spans a border, as chat encodes template and user apart.
import type { PromptParts } from '../tasks/index.ts';
import type { Tokenizer } from '../tokenizer/index.ts';

/** Ids of a prompt, behind what the tokenizer puts before every text. */
export function encodePrompt(tokenizer: Tokenizer, parts: PromptParts): Int32Array {
  const first = tokenizer.encode('', { addSpecialTokens: true });
  return Int32Array.of(...first, ...parts.flatMap((part) => [...tokenizer.encode(part, { plain: true })]));
}

// A prompt and a response as tokens. Each part is encoded separately, as in chat: no token spans a border.
import type { PromptParts } from '../tasks/index.ts';
import type { Tokenizer } from '../tokenizer/index.ts';

/** Returns the ids of a prompt, after the tokens that the tokenizer puts before every text. */
export function encodePrompt(tokenizer: Tokenizer, parts: PromptParts): Int32Array {
  const first = tokenizer.encode('', { addSpecialTokens: true });
  return Int32Array.of(...first, ...parts.flatMap((part) => [...tokenizer.encode(part, { plain: true })]));
}

/** Encodes a text; its thinking tags become tokens where the vocabulary has them, other names of tokens stay text. */
export function encodeResponse(tokenizer: Tokenizer, text: string): number[] {
  const isToken = (tag: string) => tokenizer.encode(tag).length === 1;
  if (!isToken('</think>')) return [...tokenizer.encode(text, { plain: true })];
  return text
    .split(/(<\/?think>)/)
    .flatMap((part, i) => (part === '' ? [] : [...tokenizer.encode(part, { plain: i % 2 === 0 })]));
}

/** Returns what the model must generate after a prompt; `startsThinking`: the prompt has opened the thinking. */
export function toResponse(content: string, startsThinking: boolean): string {
  if (!startsThinking) return content;
  const inside = content.replace(/^\s*<think>\n?/, '');
  return inside.includes('</think>') ? inside : `\n</think>\n\n${inside}`;
}

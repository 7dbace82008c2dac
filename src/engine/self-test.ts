// What a tokenizer must be able to do before a model is served with it.
//
// Contract: a tokenizer of another model is refused by what it shows: tokens that the model has no rows for, ends that
// are no tokens, a text that does not come back. Added tokens beyond the rows are allowed, as in Gemma 3, whose text
// models lack the row for images: a prompt that has one is refused.
import { type LoadedTokenizer, TokenizerError } from '../tokenizer/index.ts';
import { promptEncoder } from './prompt-encoder.ts';

const sample = "Hello, world! It's 12,345.67 in naïve 你好 👍🏽\n\n  def f(x):\n\treturn x\n";
const remedy = "take the tokenizer of this model's own checkpoint: --tokenizer FOLDER";

/** Throws TokenizerError if a tokenizer cannot belong to a model with `rows` rows in its embedding. */
export function expectTokenizerBelongs({ tokenizer, eosIds }: LoadedTokenizer, rows: number): void {
  const { vocabSize, addedTokens, source } = tokenizer;
  const added = new Set(addedTokens.map(({ id }) => id));
  for (let id = rows; id < vocabSize; id++)
    if (tokenizer.has(id) && !added.has(id)) {
      const problem = `has ${vocabSize} tokens, but the model has rows for ${rows}: it belongs to another model`;
      throw new TokenizerError(source, problem, remedy);
    }
  const missing = eosIds.find((id) => id >= rows || !tokenizer.has(id));
  if (missing !== undefined)
    throw new TokenizerError(source, `no token has id ${missing}, which ends a generation`, remedy);
}

/** Whether texts come back from their tokens: a text that a normalizer has changed once, unchanged. Null: unknown. */
function comesBack({ tokenizer }: LoadedTokenizer): boolean | null {
  const there = (text: string) => tokenizer.decode(tokenizer.encode(text, { plain: true }));
  try {
    const once = there(sample);
    return there(once) === once;
  } catch (error) {
    if (error instanceof TokenizerError) return null; // a vocabulary without these characters
    throw error;
  }
}

/** Tests a tokenizer for a model with `rows` rows. Returns what it found, in words; throws what is wrong. */
export async function testTokenizer(loaded: LoadedTokenizer, rows: number): Promise<string[]> {
  const { tokenizer, eosIds, chatTemplate } = loaded;
  expectTokenizerBelongs(loaded, rows);
  const isBack = comesBack(loaded);
  if (isBack === false) throw new TokenizerError(tokenizer.source, 'a text does not come back from its tokens', remedy);
  const encoder = promptEncoder(loaded);
  const { ids } = await encoder.chat([{ role: 'user', content: 'Hi' }]).finally(() => encoder.close());
  const ends = eosIds.map((id) => JSON.stringify(tokenizer.decode([id]))).join(', ');
  const trip = isBack ? 'a text comes back from its tokens' : 'it lacks characters of the text that was tried';
  return [
    `tokenizer: ${tokenizer.vocabSize} tokens for ${rows} rows; ${trip}; ${ends || 'nothing'} ends an answer`,
    `chat template: ${chatTemplate ? '' : "none, DeepSeek-V2's is used: "}${JSON.stringify(tokenizer.decode(ids))}`,
  ];
}

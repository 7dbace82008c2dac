// Ids of a model's vocabulary that its tokenizer has no token for: never sampled.
//
// Vocabularies are padded to round sizes (Qwen 2.5: 151,665 tokens, 151,936 or 152,064 rows) and may have gaps. Nobody
// trained those rows, and no text can be made of them.
import type { Tokenizer } from '../tokenizer/index.ts';

/** Returns the ids from 0 to `vocabSize` - 1 without a token, ascending. */
export function unusedIds(tokenizer: Pick<Tokenizer, 'has'>, vocabSize: number): Int32Array {
  return Int32Array.from({ length: vocabSize }, (_, id) => id).filter((id) => !tokenizer.has(id));
}

// Encodes trusted and untrusted texts side by side: only trusted ones yield added tokens.
//
// Contract: where no text has the name of an added token, the ids are those of the whole text encoded at once. A name
// that begins in one text and ends in another is no token. Added tokens of every kind count, special or not.
import type { LoadedTokenizer, Tokenizer } from '../tokenizer/index.ts';
import { RefusedError } from './generation.ts';

export interface Piece {
  readonly text: string;
  /** Whether the template or we wrote it, not a user. */
  readonly trusted: boolean;
}

/** Lists the names of added tokens in a text, in order; at each place the longest. */
export function addedTokensIn(tokenizer: Tokenizer, text: string): string[] {
  return tokenizer.findAddedTokens(text).map(({ token }) => token.content);
}

/** Joins neighbors of the same kind and drops empty pieces. */
function joinNeighbors(pieces: readonly Piece[]): Piece[] {
  const out: Piece[] = [];
  for (const piece of pieces) {
    const last = out.at(-1);
    if (piece.text === '') continue;
    if (last?.trusted === piece.trusted) out[out.length - 1] = { ...last, text: last.text + piece.text };
    else out.push(piece);
  }
  return out;
}

/** Throws RefusedError if texts cannot fit into a context, whatever their tokens are; before they are encoded. */
export function checkLength(tokenizer: Tokenizer, texts: readonly string[], contextLength: number): void {
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const tokens = tokenizer.minTokens(bytes);
  if (tokens < contextLength) return;
  const size = `${bytes} bytes are at least ${tokens} tokens`;
  throw new RefusedError(
    'too-long',
    `the prompt is too long: ${size}, the context holds ${contextLength} with the answer: shorten it`,
    'prompt',
    { promptTokens: tokens, contextLength },
  );
}

/**
 * Encodes pieces; `continues`: whether they follow other tokens. Throws RefusedError if they cannot fit into the
 * context, TokenizerError when the vocabulary lacks a character.
 */
export function encodePieces(
  tokenizer: Tokenizer,
  pieces: readonly Piece[],
  contextLength = Infinity,
  continues = false,
): Int32Array {
  const texts = pieces.map(({ text }) => text);
  checkLength(tokenizer, texts, contextLength);
  const ids: number[] = [];
  let plain = '';
  let stripNext = false;
  const flush = (stripEnd: boolean): void => {
    let text = stripNext ? plain.trimStart() : plain;
    if (stripEnd) text = text.trimEnd();
    plain = '';
    if (text !== '')
      for (const id of tokenizer.encode(text, { plain: true, continues: continues || ids.length > 0 })) ids.push(id);
  };
  for (const { text, trusted } of joinNeighbors(pieces)) {
    let from = 0;
    for (const { start, token } of trusted ? tokenizer.findAddedTokens(text) : []) {
      plain += text.slice(from, start);
      flush(token.lstrip);
      ids.push(token.id);
      stripNext = token.rstrip;
      from = start + token.content.length;
    }
    plain += text.slice(from);
  }
  flush(false);
  return Int32Array.from(ids);
}

/** Replaces halves of characters, which UTF-8 cannot encode, by U+FFFD. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}

/** Tokens of fill-in-the-middle by family; the second stands between the text before and the text after. */
const fillIn = [
  ['<｜fim▁begin｜>', '<｜fim▁hole｜>', '<｜fim▁end｜>'],
  ['<|fim_prefix|>', '<|fim_suffix|>', '<|fim_middle|>'],
  ['<fim_prefix>', '<fim_suffix>', '<fim_middle>'],
  ['<|code_prefix|>', '<|code_suffix|>', '<|code_middle|>'],
] as const;

/**
 * Returns the prompt that fills in between two texts (prefix first). Throws RefusedError when the vocabulary has no
 * such tokens.
 */
export function fillInPieces(loaded: LoadedTokenizer, before: string, after: string): Piece[] {
  const known = new Set(loaded.tokenizer.addedTokens.map(({ content }) => content));
  const found = loaded.fillInTokens ?? fillIn.find((family) => family.every((name) => known.has(name)));
  if (found === undefined)
    throw new RefusedError(
      'unsupported',
      'suffix: the vocabulary of this model has no tokens for filling in: leave suffix out',
      'suffix',
    );
  const [begin, hole, end] = found.map((text): Piece => ({ text, trusted: true })) as [Piece, Piece, Piece];
  return [begin, { text: before, trusted: false }, hole, { text: after, trusted: false }, end];
}

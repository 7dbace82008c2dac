// Texts that are trusted and texts that are not, side by side, as ids: only the former yield added tokens.
//
// Contract: where no text holds the name of an added token, the ids are those of the whole text encoded at once. A
// token whose name begins in one text and ends in another is none. Added tokens of every kind count, special or not.
import type { AddedToken, LoadedTokenizer, Tokenizer } from '../tokenizer/index.ts';
import { RefusedError } from './generation.ts';

export interface Piece {
  readonly text: string;
  /** Written by the template or by us, not by whoever asks. */
  readonly trusted: boolean;
}

interface AddedTokenNames {
  readonly pattern: RegExp | null;
  readonly tokens: ReadonlyMap<string, AddedToken>;
}

const namesOf = new WeakMap<Tokenizer, AddedTokenNames>();

function addedTokenNames(tokenizer: Tokenizer): AddedTokenNames {
  const known = namesOf.get(tokenizer);
  if (known !== undefined) return known;
  const contents = tokenizer.addedTokens.map(({ content }) => content).sort((a, b) => b.length - a.length);
  const escaped = contents.map((content) => content.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'));
  const made = {
    pattern: contents.length === 0 ? null : new RegExp(escaped.join('|'), 'g'),
    tokens: new Map(tokenizer.addedTokens.map((token) => [token.content, token])),
  };
  namesOf.set(tokenizer, made);
  return made;
}

/** Names of added tokens in a text, in order; at one place the longest. */
export function addedTokensIn(tokenizer: Tokenizer, text: string): string[] {
  const { pattern } = addedTokenNames(tokenizer);
  return pattern === null ? [] : (text.match(pattern) ?? []);
}

/** Neighbours of the same kind as one piece, empty ones left out. */
function joined(pieces: readonly Piece[]): Piece[] {
  const out: Piece[] = [];
  for (const piece of pieces) {
    const last = out.at(-1);
    if (piece.text === '') continue;
    if (last?.trusted === piece.trusted) out[out.length - 1] = { ...last, text: last.text + piece.text };
    else out.push(piece);
  }
  return out;
}

/** Throws TokenizerError when the vocabulary lacks a character. */
export function encodePieces(tokenizer: Tokenizer, pieces: readonly Piece[]): Int32Array {
  const { pattern, tokens } = addedTokenNames(tokenizer);
  const ids: number[] = [];
  let run = '';
  let stripNext = false;
  const flush = (stripEnd: boolean): void => {
    let text = stripNext ? run.trimStart() : run;
    if (stripEnd) text = text.trimEnd();
    run = '';
    if (text !== '') for (const id of tokenizer.encode(text, { plain: true })) ids.push(id);
  };
  for (const { text, trusted } of joined(pieces)) {
    let from = 0;
    for (const match of trusted && pattern !== null ? text.matchAll(pattern) : []) {
      const token = tokens.get(match[0]) as AddedToken;
      run += text.slice(from, match.index);
      flush(token.lstrip);
      ids.push(token.id);
      stripNext = token.rstrip;
      from = match.index + match[0].length;
    }
    run += text.slice(from);
  }
  flush(false);
  return Int32Array.from(ids);
}

/** Halves of characters, which no UTF-8 can hold, become U+FFFD. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}

/** Begin, hole and end of filling in, by family; the hole stands between what precedes and what follows. */
const fillIn = [
  ['<｜fim▁begin｜>', '<｜fim▁hole｜>', '<｜fim▁end｜>'],
  ['<|fim_prefix|>', '<|fim_suffix|>', '<|fim_middle|>'],
] as const;

/**
 * The prompt that fills in between two texts (prefix first). Throws RefusedError when the vocabulary has no such
 * tokens.
 */
export function fillInPieces({ tokenizer }: LoadedTokenizer, before: string, after: string): Piece[] {
  const known = new Set(tokenizer.addedTokens.map(({ content }) => content));
  const found = fillIn.find((family) => family.every((name) => known.has(name)));
  if (found === undefined)
    throw new RefusedError(
      'unsupported',
      'suffix: the vocabulary of this model has no tokens for filling in: leave suffix out',
      'suffix',
    );
  const [begin, hole, end] = found.map((text): Piece => ({ text, trusted: true })) as [Piece, Piece, Piece];
  return [begin, { text: before, trusted: false }, hole, { text: after, trusted: false }, end];
}

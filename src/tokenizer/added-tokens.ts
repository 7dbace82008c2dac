// Added tokens, which are found in a text before anything else: special tokens, and words added to a vocabulary later.
//
// The leftmost match wins, then the longest; a trie of code units finds them in one pass. lstrip and rstrip let a token
// include the white space beside it. Left out: single_word, which is refused.
import { kindAt, space } from './character-class.ts';
import { malformed, TokenizerError } from './errors.ts';
import { Trie } from './trie.ts';

/** The most characters of an added token. Real ones have fewer than 100. */
const maxUnits = 4096;

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  /** Found in the normalized text, not in the given one. */
  readonly normalized: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
}

/** Reads added_tokens of a tokenizer.json. Throws TokenizerError. */
export function readAddedTokens(json: unknown, source: string): AddedToken[] {
  if (json === undefined || json === null) return [];
  if (!Array.isArray(json)) throw malformed(source, `added_tokens: expected a list, received ${typeof json}`);
  return json.map((token, i) => {
    const { id, content, special = false, normalized = !special, lstrip = false, rstrip = false } = token ?? {};
    if (!Number.isInteger(id) || id < 0 || id >= 2 ** 24 || typeof content !== 'string' || content === '')
      throw malformed(
        source,
        `added_tokens[${i}]: expected an id and a content, received ${JSON.stringify(token).slice(0, 200)}`,
      );
    if (content.length > maxUnits)
      throw malformed(source, `added_tokens[${i}]: expected a content of at most ${maxUnits} characters`);
    if (token.single_word)
      throw new TokenizerError(
        source,
        `added_tokens[${i}] ${JSON.stringify(content)}: single_word is not supported`,
        'set single_word to false, if the token may occur inside words',
      );
    return { id, content, special, normalized, lstrip, rstrip };
  });
}

/** A segment of a text: an added token, or text between them (null). */
export interface TextSegment {
  readonly start: number;
  readonly end: number;
  readonly token: AddedToken | null;
}

/** An added token that was found at `start`. */
export interface AddedTokenMatch {
  readonly start: number;
  readonly token: AddedToken;
}

export class AddedTokens {
  readonly #tokens: readonly AddedToken[];
  readonly #trie = new Trie();
  /** 1 for each code unit that begins a token. */
  readonly #begins = new Uint8Array(65536);

  constructor(tokens: readonly AddedToken[]) {
    this.#tokens = tokens;
    for (const [i, { content }] of tokens.entries()) {
      this.#begins[content.charCodeAt(0)] = 1;
      this.#trie.add(content, i);
    }
  }

  /** The length of the longest token. */
  get maxLength(): number {
    return this.#trie.maxLength;
  }

  /** Splits units[start, end) at added tokens. */
  split(units: Uint16Array, start: number, end: number): TextSegment[] {
    const parts: TextSegment[] = [];
    let from = start;
    for (let found = this.next(units, start, end); found !== null; found = this.next(units, from, end)) {
      const { start: at, token } = found;
      let [left, right] = [at, at + token.content.length];
      if (token.lstrip) while (left > from && kindAt(units, left - 1, end) & space) left--;
      if (token.rstrip) while (right < end && kindAt(units, right, end) & space) right++;
      if (left > from) parts.push({ start: from, end: left, token: null });
      parts.push({ start: left, end: right, token });
      from = right;
    }
    if (from < end) parts.push({ start: from, end, token: null });
    return parts;
  }

  /** Finds the first added token in units[start, end), without the white space beside it; null if there is none. */
  next(units: Uint16Array, start: number, end: number): AddedTokenMatch | null {
    if (this.#tokens.length === 0) return null;
    for (let i = start; i < end; i++) {
      if (this.#begins[units[i]] === 0) continue;
      const token = this.#longestAt(units, i, end);
      if (token !== undefined) return { start: i, token };
    }
    return null;
  }

  #longestAt(units: Uint16Array, i: number, end: number): AddedToken | undefined {
    let longest = -1;
    for (let at = i, node = 0; at < end; at++) {
      node = this.#trie.step(node, units[at]);
      if (node < 0) break;
      if (this.#trie.value(node) >= 0) longest = this.#trie.value(node);
    }
    return this.#tokens[longest];
  }
}

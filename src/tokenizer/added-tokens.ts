// Added tokens, which are found in a text before anything else: special tokens, and words added to a vocabulary later.
//
// The leftmost match wins, then the longest; a trie of code units finds them in one pass. lstrip and rstrip let a token
// include the white space beside it. Left out: single_word, which is refused.
import { kindAt, space } from './character-class.ts';
import { malformed, TokenizerError } from './errors.ts';

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
      throw malformed(source, `added_tokens[${i}]: expected an id and a content, received ${JSON.stringify(token)}`);
    if (token.single_word)
      throw new TokenizerError(
        source,
        `added_tokens[${i}] ${JSON.stringify(content)}: single_word is not supported`,
        'set single_word to false, if the token may occur inside words',
      );
    return { id, content, special, normalized, lstrip, rstrip };
  });
}

interface TrieNode {
  readonly next: Map<number, TrieNode>;
  token?: AddedToken;
}

/** A segment of a text: an added token, or text between them (null). */
export interface TextSegment {
  readonly start: number;
  readonly end: number;
  readonly token: AddedToken | null;
}

export class AddedTokens {
  readonly #root: TrieNode = { next: new Map() };
  /** 1 for each code unit that begins a token. */
  readonly #begins = new Uint8Array(65536);
  readonly #isEmpty: boolean;

  constructor(tokens: readonly AddedToken[]) {
    this.#isEmpty = tokens.length === 0;
    for (const token of tokens) {
      let node = this.#root;
      for (let i = 0; i < token.content.length; i++) {
        const unit = token.content.charCodeAt(i);
        if (i === 0) this.#begins[unit] = 1;
        let next = node.next.get(unit);
        if (next === undefined) {
          next = { next: new Map() };
          node.next.set(unit, next);
        }
        node = next;
      }
      node.token ??= token;
    }
  }

  /** Splits units[start, end) at added tokens. */
  split(units: Uint16Array, start: number, end: number): TextSegment[] {
    if (this.#isEmpty) return start < end ? [{ start, end, token: null }] : [];
    const parts: TextSegment[] = [];
    const begins = this.#begins;
    let from = start;
    for (let i = start; i < end; i++) {
      if (begins[units[i]] === 0) continue;
      const token = this.#longestAt(units, i, end);
      if (token === undefined) continue;
      let [left, right] = [i, i + token.content.length];
      if (token.lstrip) while (left > from && kindAt(units, left - 1, end) & space) left--;
      if (token.rstrip) while (right < end && kindAt(units, right, end) & space) right++;
      if (left > from) parts.push({ start: from, end: left, token: null });
      parts.push({ start: left, end: right, token });
      from = right;
      i = right - 1;
    }
    if (from < end) parts.push({ start: from, end, token: null });
    return parts;
  }

  #longestAt(units: Uint16Array, i: number, end: number): AddedToken | undefined {
    let node: TrieNode | undefined = this.#root;
    let token: AddedToken | undefined;
    for (let at = i; at < end; at++) {
      node = node.next.get(units[at]);
      if (node === undefined) break;
      token = node.token ?? token;
    }
    return token;
  }
}

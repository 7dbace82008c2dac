// Tokens that are found in the text before anything else: special ones, and words that a vocabulary was given later.
//
// Leftmost first, the longest at one place. lstrip and rstrip let a token swallow the white space beside it.
import { TokenizerError } from './errors.ts';

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  /** Found in the normalised text rather than in the text as given. */
  readonly normalized: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
}

/** Reads tokenizer.json's added_tokens. */
export function addedTokensOf(json: unknown, source: string): AddedToken[] {
  if (json === undefined || json === null) return [];
  if (!Array.isArray(json)) throw new TokenizerError(source, 'added_tokens: expected a list', 'check the file');
  return json.map((token, i) => {
    const {
      id,
      content,
      special = false,
      normalized = false,
      lstrip = false,
      rstrip = false,
      single_word,
    } = token ?? {};
    if (!Number.isInteger(id) || id < 0 || typeof content !== 'string' || content === '')
      throw new TokenizerError(
        source,
        `added_tokens[${i}]: expected an id and a content, received ${JSON.stringify(token)}`,
        'check the file',
      );
    if (single_word)
      throw new TokenizerError(source, `added_tokens[${i}] ${content}: single_word`, 'such tokens are not supported');
    return { id, content, special, normalized, lstrip, rstrip };
  });
}

export class AddedTokens {
  readonly #byFirst = new Map<number, AddedToken[]>();
  readonly #starts = new Uint8Array(65536);

  constructor(tokens: readonly AddedToken[]) {
    for (const token of [...tokens].sort((a, b) => b.content.length - a.content.length)) {
      const first = token.content.charCodeAt(0);
      this.#starts[first] = 1;
      this.#byFirst.set(first, [...(this.#byFirst.get(first) ?? []), token]);
    }
  }

  /** The text as pieces between tokens, and tokens. */
  split(text: string): (string | AddedToken)[] {
    if (this.#byFirst.size === 0) return text === '' ? [] : [text];
    const out: (string | AddedToken)[] = [];
    const starts = this.#starts;
    let from = 0;
    for (let i = 0; i < text.length; i++) {
      if (starts[text.charCodeAt(i)] === 0) continue;
      const token = this.#byFirst.get(text.charCodeAt(i))?.find(({ content }) => text.startsWith(content, i));
      if (token === undefined) continue;
      const before = token.lstrip ? text.slice(from, i).trimEnd() : text.slice(from, i);
      if (before !== '') out.push(before);
      out.push(token);
      from = i + token.content.length;
      if (token.rstrip) from += text.length - from - text.slice(from).trimStart().length;
      i = from - 1;
    }
    if (from < text.length) out.push(text.slice(from));
    return out;
  }
}

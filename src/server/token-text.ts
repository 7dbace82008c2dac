// Tokens with their log-probabilities as clients read them: OpenAI's form for chat, the older one for completions.
//
// A token that is part of a character is no text: its bytes say what it is, and where only a text has place, as in the
// older form, it is written `bytes:\xe4\xb8`, as OpenAI does. A log-probability that is no number becomes -9999.
import type { GeneratedToken, TokenLogprob as Scored } from '../engine/index.ts';
import type { Tokenizer } from '../tokenizer/index.ts';
import type { CompletionLogprobs, TokenLogprob } from './protocol-responses.ts';

const lowestLogprob = -9999;
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const finite = (logprob: number): number => (Number.isFinite(logprob) ? logprob : lowestLogprob);

/** Models have ids that their vocabulary has not: rows that fill up the embedding. */
function tokenBytes(tokenizer: Tokenizer, id: number): Uint8Array {
  try {
    return tokenizer.tokenBytes(id);
  } catch {
    return new Uint8Array(0);
  }
}

/** As one text, different for different bytes. */
export function tokenName(tokenizer: Tokenizer, id: number): string {
  const bytes = tokenBytes(tokenizer, id);
  if (bytes.length === 0) return `<unused ${id}>`;
  try {
    return strict.decode(bytes);
  } catch {
    return `bytes:${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`;
  }
}

function scored(tokenizer: Tokenizer, { id, logprob }: Scored): Omit<TokenLogprob, 'top_logprobs'> {
  const bytes = tokenBytes(tokenizer, id);
  const token = bytes.length === 0 ? tokenName(tokenizer, id) : utf8.decode(bytes);
  return { token, logprob: finite(logprob), bytes: bytes.length === 0 ? null : [...bytes] };
}

export function chatToken(tokenizer: Tokenizer, token: GeneratedToken, top: number): TokenLogprob {
  return {
    ...scored(tokenizer, token),
    top_logprobs: token.top.slice(0, top).map((each) => scored(tokenizer, each)),
  };
}

/** Collects tokens in the older form, their places counted in characters (code points) from the start of the text. */
export class TokenTable {
  readonly #tokenizer: Tokenizer;
  readonly #top: number;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #offset = 0;
  #table: CompletionLogprobs = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };

  constructor(tokenizer: Tokenizer, top: number) {
    this.#tokenizer = tokenizer;
    this.#top = top;
  }

  /** The first token of a prompt, which nothing precedes, has no probability. */
  addFirst(id: number): void {
    this.#add(id, null, null);
  }

  add(token: GeneratedToken): void {
    const names: [string, number][] = [token, ...token.top.slice(0, this.#top)].map((each) => [
      tokenName(this.#tokenizer, each.id),
      finite(each.logprob),
    ]);
    const best = new Map<string, number>();
    for (const [name, logprob] of names) best.set(name, Math.max(logprob, best.get(name) ?? -Infinity));
    this.#add(token.id, finite(token.logprob), this.#top === 0 ? null : Object.fromEntries(best));
  }

  #add(id: number, logprob: number | null, top: Record<string, number> | null): void {
    const { tokens, token_logprobs, top_logprobs, text_offset } = this.#table;
    tokens.push(tokenName(this.#tokenizer, id));
    token_logprobs.push(logprob);
    top_logprobs?.push(top);
    text_offset.push(this.#offset);
    for (const _ of this.#decoder.decode(tokenBytes(this.#tokenizer, id), { stream: true })) this.#offset++;
  }

  /** What was collected since the last time. */
  take(): CompletionLogprobs {
    const taken = this.#table;
    this.#table = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
    return { ...taken, top_logprobs: this.#top === 0 ? null : taken.top_logprobs };
  }
}

// Tokens with their log-probabilities in the formats of OpenAI's chat and older completions API.
//
// A token may be a part of a character, which its bytes identify. A format that has only a text shows it as
// `bytes:\xe4\xb8`, like OpenAI. A log-probability that is not finite becomes -9999.
import type { TokenLogprob as EngineLogprob, GeneratedToken } from '../engine/index.ts';
import type { Tokenizer } from '../tokenizer/index.ts';
import type { CompletionLogprobs, PromptLogprobs, TokenLogprob } from './protocol-responses.ts';

const lowestLogprob = -9999;
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const finite = (logprob: number): number => (Number.isFinite(logprob) ? logprob : lowestLogprob);

/** Returns no bytes for ids outside the vocabulary, which padded embeddings have. */
function tokenBytes(tokenizer: Tokenizer, id: number): Uint8Array {
  try {
    return tokenizer.tokenBytes(id);
  } catch {
    return new Uint8Array(0);
  }
}

/** Returns a text that differs for different bytes. */
export function tokenName(tokenizer: Tokenizer, id: number): string {
  const bytes = tokenBytes(tokenizer, id);
  if (bytes.length === 0) return `<unused ${id}>`;
  try {
    return strict.decode(bytes);
  } catch {
    return `bytes:${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`;
  }
}

function scored(tokenizer: Tokenizer, { id, logprob }: EngineLogprob): Omit<TokenLogprob, 'top_logprobs'> {
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

/** Returns the tokens of a prompt in vLLM's format; `tokens`: all but the first, which nothing precedes. */
export function promptTable(tokenizer: Tokenizer, tokens: readonly GeneratedToken[]): PromptLogprobs {
  const rows = tokens.map(({ id, logprob, top }) => {
    const rank = top.findIndex((each) => each.id === id);
    const write = (each: EngineLogprob, place: number) =>
      [
        each.id,
        {
          logprob: finite(each.logprob),
          rank: place < 0 ? null : place + 1,
          decoded_token: tokenName(tokenizer, each.id),
        },
      ] as const;
    return Object.fromEntries([write({ id, logprob }, rank), ...top.map(write)]);
  });
  return [null, ...rows];
}

/** Collects tokens in the format of completions. Offsets count characters (code points) from the start of the text. */
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

  /** Adds the first token of a prompt, which has no probability because nothing precedes it. */
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

  /** Returns what was collected since the last call. */
  take(): CompletionLogprobs {
    const taken = this.#table;
    this.#table = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
    return { ...taken, top_logprobs: this.#top === 0 ? null : taken.top_logprobs };
  }
}

/** Puts the tables of consecutive parts together. `hasNoTop`: they are without alternatives. */
export function joinLogprobs(tables: readonly CompletionLogprobs[], hasNoTop: boolean): CompletionLogprobs {
  return {
    tokens: tables.flatMap(({ tokens }) => tokens),
    token_logprobs: tables.flatMap(({ token_logprobs }) => token_logprobs),
    top_logprobs: hasNoTop ? null : tables.flatMap(({ top_logprobs }) => top_logprobs ?? []),
    text_offset: tables.flatMap(({ text_offset }) => text_offset),
  };
}

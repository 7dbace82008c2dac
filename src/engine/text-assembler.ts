// Assembles the text of a generation from its tokens: whole characters, thinking and answer apart, stop texts found.
//
// Contract: the text does not depend on where tokens end. It is what the tokens decode to, without tags, special tokens
// and one line break right after the opening tag (R1's template writes `<think>\n` itself), up to the stop text that is
// complete first (the longest, if several are). Only what may still become a stop text or a tag is buffered. Tags are
// tokens where the vocabulary has them; else they are found in the text: `</think>` in the thinking, `<think>` only
// after nothing but white space, so that an answer may mention the tag. A token comes with the end of its text; tags
// and end tokens come with a part, too, so that the parts have all tokens. Left out: tool calls, which are text here.
import type { LoadedTokenizer, Tokenizer, TokenStream } from '../tokenizer/index.ts';
import type { GeneratedToken, GenerationPart } from './generation.ts';
import type { ResolvedOptions } from './sampling-options.ts';
import { TextMatch } from './text-match.ts';
import { closeTag, findThinkTokens, openTag, type ThinkTokens } from './think-tags.ts';

export type AssemblerOptions = Pick<ResolvedOptions, 'stop' | 'startsThinking' | 'ignoreEos'>;

/** A token whose text is not all emitted; `end`: units of the stream up to the end of its text. */
interface PendingToken {
  readonly token: GeneratedToken;
  readonly end: number;
}

export class TextAssembler {
  readonly #tokenizer: Tokenizer;
  readonly #eosIds: ReadonlySet<number>;
  readonly #tags: ThinkTokens | null;
  readonly #utf8: TokenStream;
  readonly #stops: readonly TextMatch[];
  /** The tag that may come next as text, or null. */
  #tag: TextMatch | null;
  #channel: GenerationPart['channel'];
  /** Whether the next unit is the first of the thinking. */
  #atOpening: boolean;
  /** Text of this channel that is not emitted yet; its last unit is unit `#fed` of the stream. */
  #buffer = '';
  #fed = 0;
  #pending: PendingToken[] = [];
  #parts: GenerationPart[] = [];
  #reasoningTokens = 0;
  #ended = false;
  #stopText: string | null = null;

  constructor(loaded: LoadedTokenizer, { stop, startsThinking, ignoreEos }: AssemblerOptions) {
    this.#tokenizer = loaded.tokenizer;
    this.#eosIds = new Set(ignoreEos ? [] : loaded.eosIds);
    this.#tags = findThinkTokens(loaded);
    this.#utf8 = loaded.tokenizer.stream({ skipSpecialTokens: true });
    this.#stops = stop.map((text) => new TextMatch(text));
    this.#channel = startsThinking ? 'thinking' : 'answer';
    this.#atOpening = startsThinking;
    this.#tag = this.#tags ? null : new TextMatch(startsThinking ? closeTag : openTag);
  }

  /** Whether an end token or a stop text came, after which no more tokens are taken. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The stop text that ended the text. */
  get stopText(): string | null {
    return this.#stopText;
  }

  /** Whether the next token belongs to the thinking. */
  get thinking(): boolean {
    return this.#channel === 'thinking';
  }

  /** The number of emitted tokens of the thinking and its tags. */
  get reasoningTokens(): number {
    return this.#reasoningTokens;
  }

  /** Returns the parts that are final with this token; often one, sometimes none. */
  push(token: GeneratedToken): GenerationPart[] {
    if (this.#ended) throw new Error(`broken invariant: token ${token.id} after the end of its generation`);
    const { id } = token;
    if (this.#eosIds.has(id)) {
      this.#pending.push({ token, end: this.#fed });
      this.#close();
    } else if (id === this.#tags?.open || id === this.#tags?.close) this.#pushTag(token);
    else this.#feed(this.#tokenizer.has(id) ? this.#utf8.push(id) : '', token);
    return this.#take();
  }

  /** Ends the text; returns all that was buffered. */
  end(): GenerationPart[] {
    if (!this.#ended) this.#close();
    return this.#take();
  }

  #close(): void {
    this.#feed(this.#utf8.end(), null);
    if (this.#ended) return;
    this.#ended = true;
    this.#emit(this.#fed, this.#fed, true);
  }

  #take(): GenerationPart[] {
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }

  /** Feeds text of a token, or the rest of earlier ones, into the stream. */
  #feed(text: string, token: GeneratedToken | null): void {
    if (token) this.#pending.push({ token, end: this.#fed + text.length });
    for (let i = 0; i < text.length; i++) {
      this.#fed++;
      const skips = this.#atOpening && text[i] === '\n';
      this.#atOpening = false;
      if (skips) continue;
      this.#buffer += text[i];
      if (this.#meetsStop(text[i])) return;
      if (this.#tag?.push(text[i])) this.#switch(this.#tag.text);
      else this.#tag &&= this.#canOpen() ? this.#tag : null;
    }
    const open = Math.max(this.#tag?.matched ?? 0, ...this.#stops.map(({ matched }) => matched));
    this.#emit(this.#fed - open, this.#fed - open, false);
  }

  /** Takes a tag that is one token. Its text can be, or complete, a stop text. */
  #pushTag(token: GeneratedToken): void {
    const tag = token.id === this.#tags?.open ? openTag : closeTag;
    const rest = this.#utf8.end();
    this.#pending.push({ token, end: this.#fed + rest.length + tag.length });
    this.#feed(rest, null);
    if (this.#ended) return;
    for (const unit of tag) {
      this.#fed++;
      this.#buffer += unit;
      if (this.#meetsStop(unit)) return;
    }
    this.#switch(tag);
  }

  /** Whether `<think>` as text can still open the thinking: only after white space. */
  #canOpen(): boolean {
    if (this.thinking || !this.#tag) return true;
    return /^\s*$/.test(this.#buffer.slice(0, this.#buffer.length - this.#tag.matched));
  }

  #meetsStop(unit: string): boolean {
    let met: string | null = null;
    for (const stop of this.#stops) if (stop.push(unit) && stop.text.length > (met?.length ?? 0)) met = stop.text;
    if (met === null) return false;
    this.#stopText = met;
    this.#ended = true;
    this.#emit(this.#fed - met.length, Infinity, true);
    return true;
  }

  /** Changes the channel at a tag that ends the stream. */
  #switch(tag: string): void {
    const start = this.#fed - tag.length;
    // Tokens of tags count as thinking on both sides.
    const tokensTo = this.thinking ? this.#fed : start;
    this.#emit(start, tokensTo, true);
    this.#buffer = '';
    this.#channel = tag === openTag ? 'thinking' : 'answer';
    this.#atOpening = this.thinking;
    for (const stop of this.#stops) stop.matched = 0;
    if (!this.#tags) this.#tag = this.thinking ? new TextMatch(closeTag) : null;
  }

  /** Emits text up to unit `textTo` and tokens up to unit `tokensTo`; tokens without text only if `last`. */
  #emit(textTo: number, tokensTo: number, last: boolean): void {
    const length = this.#buffer.length - (this.#fed - textTo);
    if (length <= 0 && !last) return;
    const text = this.#buffer.slice(0, Math.max(length, 0));
    this.#buffer = this.#buffer.slice(text.length);
    let count = 0;
    while (count < this.#pending.length && this.#pending[count].end <= tokensTo) count++;
    if (text === '' && count === 0) return;
    const tokens = this.#pending.splice(0, count).map(({ token }) => token);
    if (this.thinking) this.#reasoningTokens += tokens.length;
    this.#parts.push({ type: 'part', channel: this.#channel, text, tokens });
  }
}

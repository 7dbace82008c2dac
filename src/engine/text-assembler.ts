// Assembles the text of a generation from its tokens: whole characters, thinking and answer apart, stop texts found.
//
// Contract: the text does not depend on where tokens end. It is what the tokens decode to, without special tokens,
// tags, white space before the thinking and between it and the answer, and one line break right after the opening tag
// (R1's template writes `<think>\n` itself), up to the stop text that is complete first (the longest, if several are).
// Stops belong to the answer: none acts in what comes before it. With `raw` all text is the answer, tags included, and
// stops act anywhere. Only what may still become a stop text or a tag is buffered. Tags are tokens where the vocabulary
// has them; else they are found in the text: `</think>` in the thinking, `<think>` only after nothing but white space,
// so that an answer may mention the tag. A token comes with the end of its text; the parts have all tokens.
import type { LoadedTokenizer, Tokenizer, TokenStream } from '../tokenizer/index.ts';
import type { GeneratedToken, GenerationPart } from './generation.ts';
import type { ResolvedOptions } from './sampling-options.ts';
import { TextMatch } from './text-match.ts';
import { closeTag, findThinkTokens, openTag, type ThinkTokens } from './think-tags.ts';

export type AssemblerOptions = Pick<
  ResolvedOptions,
  'stop' | 'stopIds' | 'minTokens' | 'raw' | 'startsThinking' | 'ignoreEos'
>;

/** A token whose text is not all emitted; `end`: units of the stream up to the end of its text. */
interface PendingToken {
  readonly token: GeneratedToken;
  readonly end: number;
  /** Whether it is known to be of the thinking or not, and counted. */
  isCounted: boolean;
}

export class TextAssembler {
  readonly #tokenizer: Tokenizer;
  readonly #eosIds: ReadonlySet<number>;
  readonly #stopIds: ReadonlySet<number>;
  readonly #raw: boolean;
  readonly #minTokens: number;
  #tokens = 0;
  readonly #tags: ThinkTokens | null;
  readonly #utf8: TokenStream;
  readonly #stops: readonly TextMatch[];
  /** The tag that may come next as text, or null. */
  #tag: TextMatch | null;
  #thinking: boolean;
  /** Whether `<think>` may still open the thinking: the text so far is white space. */
  #mayOpen: boolean;
  /** A stop text in that white space or a beginning tag, and its first unit. It acts if no thinking opens. */
  #early: { readonly text: string; readonly start: number } | null = null;
  /** What is left out next: one line break at the beginning of the thinking, or all white space before the answer. */
  #skips: 'line break' | 'white space' | null;
  /** Text that is not emitted yet; its last unit is unit `#fed` of the stream. */
  #buffer = '';
  #fed = 0;
  #pending: PendingToken[] = [];
  #parts: GenerationPart[] = [];
  #reasoningTokens = 0;
  #ended = false;
  #stopText: string | null = null;

  constructor(loaded: LoadedTokenizer, { stop, stopIds, minTokens, raw, startsThinking, ignoreEos }: AssemblerOptions) {
    this.#tokenizer = loaded.tokenizer;
    this.#eosIds = new Set(ignoreEos ? [] : loaded.eosIds);
    this.#stopIds = new Set(stopIds);
    this.#raw = raw;
    this.#minTokens = minTokens;
    this.#tags = findThinkTokens(loaded);
    this.#utf8 = loaded.tokenizer.stream({ skipSpecialTokens: true, continues: raw });
    this.#stops = stop.map((text) => new TextMatch(text));
    this.#thinking = startsThinking;
    this.#mayOpen = !raw && !startsThinking;
    this.#skips = startsThinking && !raw ? 'line break' : null;
    this.#tag = this.#tags ? null : new TextMatch(startsThinking ? closeTag : openTag);
  }

  /** Whether an end token, a stop token or a stop text came, after which no more tokens are taken. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The stop text that ended the text. */
  get stopText(): string | null {
    return this.#stopText;
  }

  /** Whether the next token belongs to the thinking. */
  get thinking(): boolean {
    return this.#thinking;
  }

  /** The number of emitted tokens of the thinking and its tags. */
  get reasoningTokens(): number {
    return this.#reasoningTokens;
  }

  /** Returns the parts that are final with this token; often one, sometimes none. */
  push(token: GeneratedToken): GenerationPart[] {
    if (this.#ended) throw new Error(`broken invariant: token ${token.id} after the end of its generation`);
    const { id } = token;
    this.#tokens++;
    const isTag = id === this.#tags?.open || id === this.#tags?.close;
    if (this.#eosIds.has(id) || (this.#stopIds.has(id) && (this.#raw || !(isTag || this.#thinking)))) {
      this.#pending.push({ token, end: this.#fed, isCounted: false });
      this.#close();
    } else if (isTag) this.#pushTag(token);
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
    this.#mayOpen = false;
    if (this.#ended || this.#stopEarly()) return;
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
    if (token) this.#pending.push({ token, end: this.#fed + text.length, isCounted: false });
    for (const unit of text.split('')) {
      this.#fed++;
      if (this.#skip(unit)) continue;
      this.#buffer += unit;
      if (this.#meetsStop(unit)) return;
      if (this.#tag?.push(unit)) this.#switch(this.#tag.text);
      else this.#tag &&= this.#canOpen() ? this.#tag : null;
      this.#mayOpen &&= this.#tags ? /\s/.test(unit) : this.#tag !== null;
      if (this.#stopEarly()) return;
    }
    this.#emitFinal();
  }

  #skip(unit: string): boolean {
    const isSkipped = this.#skips === 'line break' ? unit === '\n' : this.#skips !== null && /\s/.test(unit);
    if (!isSkipped || this.#skips === 'line break') this.#skips = null;
    return isSkipped;
  }

  /** Takes a tag that is one token. */
  #pushTag(token: GeneratedToken): void {
    const tag = token.id === this.#tags?.open ? openTag : closeTag;
    const rest = this.#utf8.end();
    this.#pending.push({ token, end: this.#fed + rest.length + tag.length, isCounted: false });
    this.#feed(rest, null);
    if (this.#ended) return;
    for (const unit of tag) {
      this.#fed++;
      this.#buffer += unit;
      if (this.#raw && this.#meetsStop(unit)) return;
    }
    this.#switch(tag);
    this.#emitFinal();
  }

  /** Whether `<think>` as text can still open the thinking: only after white space. */
  #canOpen(): boolean {
    if (this.#thinking || !this.#tag) return true;
    return /^\s*$/.test(this.#buffer.slice(0, this.#buffer.length - this.#tag.matched));
  }

  /** Takes the next unit into the stop texts; returns whether one ends the text with it. */
  #meetsStop(unit: string): boolean {
    if (this.#thinking && !this.#raw) return false;
    let met: string | null = null;
    for (const stop of this.#stops) if (stop.push(unit) && stop.text.length > (met?.length ?? 0)) met = stop.text;
    if (met === null || this.#tokens <= this.#minTokens) return false;
    const start = this.#fed - met.length;
    if (this.#mayOpen) this.#early ??= { text: met, start };
    else this.#stopAt(met, start);
    return this.#ended;
  }

  /** Ends the text at a stop that was met while the thinking could still open, once it cannot. */
  #stopEarly(): boolean {
    if (this.#early === null || this.#mayOpen) return false;
    this.#stopAt(this.#early.text, this.#early.start);
    return true;
  }

  #stopAt(text: string, start: number): void {
    this.#stopText = text;
    this.#ended = true;
    this.#emit(start, Infinity, true);
  }

  /** Changes between thinking and answer at a tag that ends the stream. */
  #switch(tag: string): void {
    const start = this.#fed - tag.length;
    // Tokens of tags count as thinking on both sides.
    const tokensTo = this.#thinking ? this.#fed : start;
    if (this.#raw) {
      this.#count(this.#pending.filter(({ end }) => end <= tokensTo));
    } else {
      this.#early = null;
      if (this.#mayOpen) this.#buffer = ''; // white space
      this.#emit(start, tokensTo, true);
      this.#buffer = '';
      for (const stop of this.#stops) stop.matched = 0;
    }
    this.#thinking = tag === openTag;
    this.#mayOpen = false;
    this.#skips = this.#raw ? null : this.#thinking ? 'line break' : 'white space';
    if (!this.#tags) this.#tag = this.#thinking ? new TextMatch(closeTag) : null;
  }

  /** Emits all that can no longer become a stop text or a tag. */
  #emitFinal(): void {
    if (this.#mayOpen) return;
    const open = Math.max(this.#tag?.matched ?? 0, ...this.#stops.map(({ matched }) => matched));
    this.#emit(this.#fed - open, this.#fed - open, false);
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
    const pending = this.#pending.splice(0, count);
    this.#count(pending);
    const channel = this.#thinking && !this.#raw ? 'thinking' : 'answer';
    this.#parts.push({ type: 'part', channel, text, tokens: pending.map(({ token }) => token) });
  }

  #count(pending: readonly PendingToken[]): void {
    for (const each of pending) {
      if (!each.isCounted && this.#thinking) this.#reasoningTokens++;
      each.isCounted = true;
    }
  }
}

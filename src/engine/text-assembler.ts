// Tokens of one generation to its text: whole characters, thinking and answer told apart, stop texts found.
//
// Contract: the text does not depend on where tokens end. It is what the tokens decode to, without the tags, without
// special tokens, without one line break right after the opening tag (R1's template writes `<think>\n` itself, so
// that DeepSeek's thinking begins behind it), and up to the stop text that is complete first (the longest, if several
// are complete at once). Only what may still become a stop text or a tag is held back. Tags are tokens where the
// vocabulary has them, wherever they come; else they are found in the text: `</think>` in the thinking, `<think>` only
// where nothing but white space comes before it, so that an answer may speak of the tag.
// A token comes with the last of its text; tokens of tags and of end tokens come with a part, too, so that the
// tokens of all parts are all tokens. Left out: tool calls, which are text here.
import type { LoadedTokenizer, Tokenizer, TokenStream } from '../tokenizer/index.ts';
import type { GeneratedToken, GenerationPart } from './generation.ts';
import type { ResolvedOptions } from './sampling-options.ts';
import { TextMatch } from './text-match.ts';
import { closeTag, findThinkTokens, openTag, type ThinkTokens } from './think-tags.ts';

export type AssemblerOptions = Pick<ResolvedOptions, 'stop' | 'startsThinking' | 'ignoreEos'>;

/** A token whose text is not all out; `end`: units of the stream up to the last of its text. */
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
  /** The tag that could come next as text, or null. */
  #tag: TextMatch | null;
  #channel: GenerationPart['channel'];
  /** The next unit is the first of the thinking. */
  #atOpening: boolean;
  /** Text of this channel that is not out yet; its last unit is unit `#fed` of the stream. */
  #held = '';
  #fed = 0;
  #waiting: PendingToken[] = [];
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

  /** An end token or a stop text came: the sequence is over and takes no more tokens. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The stop text that was met. */
  get stopText(): string | null {
    return this.#stopText;
  }

  /** Whether the next token is one of the thinking. */
  get thinking(): boolean {
    return this.#channel === 'thinking';
  }

  /** Tokens given out so far that are of the thinking or of its tags. */
  get reasoningTokens(): number {
    return this.#reasoningTokens;
  }

  /** The parts that became certain with this token; often one, sometimes none. */
  push(token: GeneratedToken): GenerationPart[] {
    if (this.#ended) throw new Error(`broken invariant: token ${token.id} after the end of its generation`);
    const { id } = token;
    if (this.#eosIds.has(id)) {
      this.#waiting.push({ token, end: this.#fed });
      this.#close();
    } else if (id === this.#tags?.open || id === this.#tags?.close) this.#pushTag(token);
    else this.#feed(this.#tokenizer.has(id) ? this.#utf8.push(id) : '', token);
    return this.#take();
  }

  /** No more tokens come: all that was held back. */
  end(): GenerationPart[] {
    if (!this.#ended) this.#close();
    return this.#take();
  }

  #close(): void {
    this.#feed(this.#utf8.end(), null);
    if (this.#ended) return;
    this.#ended = true;
    this.#release(this.#fed, this.#fed, true);
  }

  #take(): GenerationPart[] {
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }

  /** Text into the stream, of a token or of what was left of earlier ones. */
  #feed(text: string, token: GeneratedToken | null): void {
    if (token) this.#waiting.push({ token, end: this.#fed + text.length });
    for (let i = 0; i < text.length; i++) {
      this.#fed++;
      const skips = this.#atOpening && text[i] === '\n';
      this.#atOpening = false;
      if (skips) continue;
      this.#held += text[i];
      if (this.#meetsStop(text[i])) return;
      if (this.#tag?.push(text[i])) this.#switch(this.#tag.text);
      else this.#tag &&= this.#canOpen() ? this.#tag : null;
    }
    const open = Math.max(this.#tag?.matched ?? 0, ...this.#stops.map(({ matched }) => matched));
    this.#release(this.#fed - open, this.#fed - open, false);
  }

  /** A tag that is one token. Its text can be, or complete, a stop text, as in a vocabulary that spells it. */
  #pushTag(token: GeneratedToken): void {
    const tag = token.id === this.#tags?.open ? openTag : closeTag;
    const rest = this.#utf8.end();
    this.#waiting.push({ token, end: this.#fed + rest.length + tag.length });
    this.#feed(rest, null);
    if (this.#ended) return;
    for (const unit of tag) {
      this.#fed++;
      this.#held += unit;
      if (this.#meetsStop(unit)) return;
    }
    this.#switch(tag);
  }

  /** Whether `<think>` as text can still open the thinking: only white space came before it. */
  #canOpen(): boolean {
    if (this.thinking || !this.#tag) return true;
    return /^\s*$/.test(this.#held.slice(0, this.#held.length - this.#tag.matched));
  }

  #meetsStop(unit: string): boolean {
    let met: string | null = null;
    for (const stop of this.#stops) if (stop.push(unit) && stop.text.length > (met?.length ?? 0)) met = stop.text;
    if (met === null) return false;
    this.#stopText = met;
    this.#ended = true;
    this.#release(this.#fed - met.length, Infinity, true);
    return true;
  }

  /** The stream's last units are a tag: to its other side. */
  #switch(tag: string): void {
    const start = this.#fed - tag.length;
    // Tokens of tags count as thinking on both sides.
    const tokensTo = this.thinking ? this.#fed : start;
    this.#release(start, tokensTo, true);
    this.#held = '';
    this.#channel = tag === openTag ? 'thinking' : 'answer';
    this.#atOpening = this.thinking;
    for (const stop of this.#stops) stop.matched = 0;
    if (!this.#tags) this.#tag = this.thinking ? new TextMatch(closeTag) : null;
  }

  /** Gives out text up to unit `textTo` and tokens up to unit `tokensTo`; tokens without text only if `last`. */
  #release(textTo: number, tokensTo: number, last: boolean): void {
    const length = this.#held.length - (this.#fed - textTo);
    if (length <= 0 && !last) return;
    const text = this.#held.slice(0, Math.max(length, 0));
    this.#held = this.#held.slice(text.length);
    let count = 0;
    while (count < this.#waiting.length && this.#waiting[count].end <= tokensTo) count++;
    if (text === '' && count === 0) return;
    const tokens = this.#waiting.splice(0, count).map(({ token }) => token);
    if (this.thinking) this.#reasoningTokens += tokens.length;
    this.#parts.push({ type: 'part', channel: this.#channel, text, tokens });
  }
}

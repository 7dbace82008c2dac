// Calls of functions found in the text of an answer, as it arrives.
//
// Contract: the events do not depend on where tokens end. Text that turns out to be no call comes as text, unchanged.
// White space before a call is no text of the answer. Arguments are JSON text as the model writes it. An answer that is
// nothing but calls in plain JSON is those calls: bare-calls.ts.
import type { GeneratedToken, GenerationEvent } from '../engine/index.ts';
import type { CallConstraint, CallSyntax } from '../grammar/index.ts';
import { type BareCall, BareCallReader } from './bare-calls.ts';
import type { AnswerEvent } from './conversation.ts';
import { ObjectEnd } from './object-end.ts';

/** The length of the longest end of a text that a word begins with. */
function overlap(text: string, word: string): number {
  for (let length = Math.min(text.length, word.length - 1); length > 0; length--)
    if (text.endsWith(word.slice(0, length))) return length;
  return 0;
}

type State = 'start' | 'text' | 'name' | 'arguments' | 'after' | 'done' | 'plain';

export class ToolCallReader {
  readonly #syntax: CallSyntax;
  readonly #names: ReadonlySet<string>;
  readonly #newId: () => string;
  readonly #isParallel: boolean;
  /** Reads calls without the syntax; null: there are none, because the answer is held to a constraint, or to calls. */
  readonly #bare: BareCallReader | null;
  #state: State;
  /** Text that is not an event yet; in `name` and `after` from the beginning of the syntax on. */
  #buffer = '';
  #calls = 0;
  #end = new ObjectEnd();
  #events: AnswerEvent[] = [];

  constructor(
    { syntax, functions, isRequired, isParallel, otherwise }: CallConstraint,
    newId = () => `call_${crypto.randomUUID().replaceAll('-', '').slice(0, 24)}`,
  ) {
    this.#syntax = syntax;
    this.#names = new Set(functions.map(({ name }) => name));
    this.#newId = newId;
    this.#isParallel = isParallel;
    const mayBeBare = !isRequired && otherwise === null && !syntax.open.startsWith('{');
    this.#bare = mayBeBare ? new BareCallReader(functions) : null;
    this.#state = mayBeBare ? 'start' : 'text';
  }

  /** Returns what an event of the generation becomes. */
  read(event: GenerationEvent): AnswerEvent[] {
    this.#events = [];
    if (event.type === 'end') {
      this.#finish(event.finishReason === 'stop');
      this.#events.push({ ...event, calls: this.#calls });
    } else if (event.channel === 'thinking') this.#events.push(event);
    else {
      this.#buffer += event.text;
      if (this.#state === 'start' && this.#bare?.push(event.text) !== true) this.#state = 'text';
      while (this.#step());
      this.#attach(event.tokens);
    }
    return this.#events;
  }

  /** Tokens go with the first text of their event, or alone. */
  #attach(tokens: readonly GeneratedToken[]): void {
    if (tokens.length === 0) return;
    const at = this.#events.findIndex(({ type }) => type === 'part');
    const first = this.#events[at];
    if (first?.type === 'part') this.#events[at] = { ...first, tokens };
    else this.#events.unshift({ type: 'part', channel: 'answer', text: '', tokens });
  }

  #text(text: string): void {
    if (text !== '') this.#events.push({ type: 'part', channel: 'answer', text, tokens: [] });
  }

  /** Takes what the buffer allows; returns whether there may be more. */
  #step(): boolean {
    if (this.#state === 'start') return false;
    if (this.#state === 'text') return this.#findOpening();
    if (this.#state === 'name') return this.#readName();
    if (this.#state === 'arguments') return this.#readArguments();
    if (this.#state === 'after') return this.#readAfter();
    const rest = this.#state === 'done' ? this.#buffer.trimStart() : this.#buffer;
    if (rest !== '') this.#state = 'plain';
    this.#text(rest);
    this.#buffer = '';
    return false;
  }

  #findOpening(): boolean {
    const { open } = this.#syntax;
    const at = this.#buffer.indexOf(open);
    const kept = at < 0 ? overlap(this.#buffer, open) : 0;
    const before = at < 0 ? this.#buffer.slice(0, this.#buffer.length - kept) : this.#buffer.slice(0, at);
    const text = before.trimEnd();
    this.#text(text);
    this.#buffer = this.#buffer.slice(text.length);
    if (at < 0) return false;
    this.#state = 'name';
    return true;
  }

  /** The buffer holds white space and the text of the opening. */
  #readName(): boolean {
    const { open, beforeName, afterName, between } = this.#syntax;
    const start = this.#calls === 0 ? open : between;
    const blank = this.#calls === 0 ? this.#buffer.indexOf(open) : 0;
    const head = start + beforeName;
    const rest = this.#buffer.slice(blank);
    if (!rest.startsWith(head)) return head.startsWith(rest) ? false : this.#giveUp();
    const end = rest.indexOf(afterName, head.length);
    const name = end < 0 ? rest.slice(head.length) : rest.slice(head.length, end);
    if (end < 0) return [...this.#names].some((each) => (each + afterName).startsWith(name)) ? false : this.#giveUp();
    const after = rest.slice(end + afterName.length);
    if (after === '' && this.#names.has(name)) return false;
    if (!this.#names.has(name) || !after.startsWith('{')) return this.#giveUp();
    this.#events.push({ type: 'tool-call', index: this.#calls++, id: this.#newId(), name });
    this.#buffer = after;
    this.#end = new ObjectEnd();
    this.#state = 'arguments';
    return true;
  }

  #readArguments(): boolean {
    const end = this.#end.find(this.#buffer);
    const text = end < 0 ? this.#buffer : this.#buffer.slice(0, end);
    const index = this.#calls - 1;
    if (text !== '') this.#events.push({ type: 'tool-arguments', index, text });
    this.#buffer = this.#buffer.slice(text.length);
    if (end < 0) return false;
    this.#events.push({ type: 'tool-end', index });
    this.#state = 'after';
    return true;
  }

  #readAfter(): boolean {
    const { afterArguments, between, beforeName, close } = this.#syntax;
    if (!this.#buffer.startsWith(afterArguments))
      return afterArguments.startsWith(this.#buffer) ? false : this.#giveUp();
    const rest = this.#buffer.slice(afterArguments.length);
    const next = between + beforeName;
    if (rest.startsWith(next) || (next.startsWith(rest) && !(close !== '' && rest.startsWith(close)))) {
      if (!rest.startsWith(next)) return false;
      this.#buffer = rest;
      this.#state = 'name';
      return true;
    }
    if (close !== '' && !rest.startsWith(close)) return close.startsWith(rest) ? false : this.#giveUp();
    this.#buffer = rest.slice(close.length);
    this.#state = 'done';
    return true;
  }

  /** What looked like a call is text. */
  #giveUp(): boolean {
    this.#state = 'plain';
    return true;
  }

  /** `isWhole`: nothing cut the answer off. */
  #finish(isWhole: boolean): void {
    if (this.#state === 'start') {
      const calls = (isWhole && this.#bare?.finish()) || [];
      if (calls.length > 0 && (this.#isParallel || calls.length === 1)) {
        for (const call of calls) this.#addWhole(call);
        return;
      }
      this.#state = 'text';
      while (this.#step());
    }
    const { afterArguments } = this.#syntax;
    const isComplete = this.#state === 'done' || (this.#state === 'after' && this.#buffer.startsWith(afterArguments));
    if (!isComplete && this.#state !== 'arguments') this.#text(this.#buffer);
    this.#buffer = '';
  }

  #addWhole({ name, arguments: text }: BareCall): void {
    const index = this.#calls++;
    this.#events.push(
      { type: 'tool-call', index, id: this.#newId(), name },
      { type: 'tool-arguments', index, text },
      { type: 'tool-end', index },
    );
  }
}

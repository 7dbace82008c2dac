// Calls that a model writes as JSON without the syntax of its template: `{"name": ..., "arguments": {...}}`, one or
// several in lines or a list, perhaps fenced, and nothing else. Small models do (Qwen2.5-Coder-0.5B, most of the time).
//
// Contract: text is held only while it can still become calls; it becomes calls only as the whole answer, where each
// name is a function's and its arguments are valid against the function's schema.
import { type CallableFunction, isValid } from '../grammar/index.ts';
import { ObjectEnd } from './object-end.ts';

export interface BareCall {
  readonly name: string;
  /** As the model wrote them. */
  readonly arguments: string;
}

/** What may come next; `arguments` is an object, and `end` only white space. */
type State =
  | 'start'
  | 'opening'
  | 'object'
  | 'key'
  | 'colon'
  | 'name'
  | 'comma'
  | 'arguments key'
  | 'arguments colon'
  | 'arguments'
  | 'close'
  | 'after'
  | 'fence'
  | 'end';

const next: Readonly<Partial<Record<State, Readonly<Record<string, State>>>>> = {
  start: { '```json': 'opening', '```': 'opening', '[': 'object', '{': 'key' },
  opening: { '[': 'object', '{': 'key' },
  object: { '{': 'key' },
  key: { '"name"': 'colon' },
  colon: { ':': 'name' },
  comma: { ',': 'arguments key' },
  'arguments key': { '"arguments"': 'arguments colon', '"parameters"': 'arguments colon' },
  'arguments colon': { ':': 'arguments' },
  close: { '}': 'after' },
  fence: { '```': 'end' },
  end: {},
};

export class BareCallReader {
  readonly #functions: ReadonlyMap<string, CallableFunction>;
  readonly #calls: { name: string; arguments: string }[] = [];
  #state: State = 'start';
  /** What is not read yet. */
  #buffer = '';
  #isFenced = false;
  #isList = false;
  #end = new ObjectEnd();

  constructor(functions: readonly CallableFunction[]) {
    this.#functions = new Map(functions.map((each) => [each.name, each]));
  }

  /** Takes more of the answer; returns whether it can still become calls. */
  push(text: string): boolean {
    this.#buffer += text;
    for (;;) {
      const step = this.#state === 'arguments' ? this.#readArguments() : this.#readWord();
      if (step !== 'more') return step === 'wait';
    }
  }

  /** Returns the calls that the whole answer is; null: it is none. */
  finish(): readonly BareCall[] | null {
    const isWhole = this.#state === 'end' || (this.#state === 'after' && !this.#isFenced && !this.#isList);
    return isWhole && this.#buffer.trim() === '' && this.#calls.every((call) => this.#fits(call)) ? this.#calls : null;
  }

  get #words(): Readonly<Record<string, State>> {
    const words = next[this.#state];
    if (words !== undefined) return words;
    if (this.#state === 'name')
      return Object.fromEntries([...this.#functions.keys()].map((name) => [`"${name}"`, 'comma']));
    if (this.#isList) return { ',': 'object', ']': this.#isFenced ? 'fence' : 'end' };
    return { '{': 'key', ...(this.#isFenced && { '```': 'end' }) };
  }

  /** Reads one of the words that may come next, after white space. */
  #readWord(): 'more' | 'wait' | 'other' {
    this.#buffer = this.#buffer.trimStart();
    if (this.#buffer === '') return 'wait';
    const words = Object.entries(this.#words);
    if (words.some(([word]) => word.length > this.#buffer.length && word.startsWith(this.#buffer))) return 'wait';
    const found = words.find(([word]) => this.#buffer.startsWith(word)); // the longer of two stands first
    if (found === undefined) return 'other';
    const [word, state] = found;
    this.#buffer = this.#buffer.slice(word.length);
    if (word.startsWith('```')) this.#isFenced = true;
    if (word === '[') this.#isList = true;
    if (this.#state === 'name') this.#calls.push({ name: word.slice(1, -1), arguments: '' });
    if (state === 'arguments') this.#end = new ObjectEnd();
    this.#state = state;
    return 'more';
  }

  #readArguments(): 'more' | 'wait' | 'other' {
    const call = this.#calls[this.#calls.length - 1];
    if (call.arguments === '') this.#buffer = this.#buffer.trimStart();
    if (this.#buffer === '') return 'wait';
    if (call.arguments === '' && !this.#buffer.startsWith('{')) return 'other';
    const end = this.#end.find(this.#buffer);
    call.arguments += end < 0 ? this.#buffer : this.#buffer.slice(0, end);
    this.#buffer = end < 0 ? '' : this.#buffer.slice(end);
    if (end < 0) return 'wait';
    this.#state = 'close';
    return 'more';
  }

  #fits(call: BareCall): boolean {
    const { schema = false } = this.#functions.get(call.name) ?? {};
    try {
      return isValid(schema, JSON.parse(call.arguments));
    } catch {
      return false; // no JSON, or nested too deeply
    }
  }
}

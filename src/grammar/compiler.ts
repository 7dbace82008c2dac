// From constraints to masks of a vocabulary: compiled once, in a thread of their own, and kept.
//
// Contract: an answer whose tokens are all within its masks is a whole text of the constraint once an end token comes.
// A constraint that cannot be enforced, or that the vocabulary cannot write, is refused with a GrammarError.
import type { Tokenizer } from '../tokenizer/index.ts';
import type { Constraint } from './constraint.ts';
import { GrammarError } from './errors.ts';
import { MaskThread } from './mask-thread.ts';
import type { MaskVocabulary } from './worker-messages.ts';

/** Grammars that are kept; the one that was not used for longest goes first. */
const maxKept = 64;

export interface CompilerOptions {
  /** The size of the model's vocabulary, at least the tokenizer's. */
  readonly vocabSize: number;
  readonly endIds: readonly number[];
  /** Tokens that are in no text, such as tags of the thinking. @default none */
  readonly hidden?: readonly number[];
}

/** A compiled constraint; `matcher` begins an answer. */
export interface CompiledConstraint {
  /** Its number in the thread. */
  readonly grammar: number;
  /** The mask of the first token. */
  readonly first: Int32Array<ArrayBuffer>;
  matcher(): TokenMatcher;
}

/** Masks of the next token and of the one after a draft; null: the draft cannot come. */
export type Masks = readonly [Int32Array<ArrayBuffer>, Int32Array<ArrayBuffer> | null];

/** One answer. */
export class TokenMatcher {
  readonly #thread: MaskThread;
  readonly #id: number;
  #tokens: number[] = [];

  constructor(thread: MaskThread, id: number) {
    this.#thread = thread;
    this.#id = id;
  }

  /** Takes the next token of the answer. */
  push(token: number): void {
    this.#tokens.push(token);
  }

  /** Rejects where a token was not allowed, or where nothing can follow. */
  async masks(draft: number | null): Promise<Masks> {
    const tokens = this.#tokens;
    this.#tokens = [];
    const reply = await this.#thread.masks({ matcher: this.#id, tokens, draft });
    if ('failure' in reply) throw new Error(`the answer left its constraint: ${reply.failure}`);
    return reply.masks;
  }

  /** Frees it; it is not used again. */
  close(): void {
    this.#thread.send({ kind: 'close', matcher: this.#id });
  }
}

function readVocabulary(tokenizer: Tokenizer, { vocabSize, endIds, hidden = [] }: CompilerOptions): MaskVocabulary {
  const unseen = new Set([...hidden, ...endIds]);
  const parts: Uint8Array[] = [];
  const starts = new Int32Array(vocabSize + 1);
  for (let id = 0; id < vocabSize; id++) {
    const isText = tokenizer.has(id) && !tokenizer.isSpecial(id) && !unseen.has(id);
    const bytes = isText ? tokenizer.tokenBytes(id) : new Uint8Array();
    parts.push(bytes);
    starts[id + 1] = starts[id] + bytes.length;
  }
  return { bytes: new Uint8Array(Buffer.concat(parts)), starts, endIds, size: vocabSize };
}

export class ConstraintCompiler {
  readonly #tokenizer: Tokenizer;
  readonly #options: CompilerOptions;
  readonly #kept = new Map<string, Promise<CompiledConstraint>>();
  #thread: MaskThread | null = null;
  #nextGrammar = 0;
  #nextMatcher = 0;

  constructor(tokenizer: Tokenizer, options: CompilerOptions) {
    this.#tokenizer = tokenizer;
    this.#options = options;
  }

  /** Compiles a constraint, or returns it from before. Rejects with GrammarError. */
  async compile(constraint: Constraint): Promise<CompiledConstraint> {
    if (this.#thread?.hasEnded) {
      this.#thread = null;
      this.#kept.clear();
    }
    const key = JSON.stringify(constraint);
    const compiled = this.#kept.get(key) ?? this.#compile(constraint);
    this.#kept.delete(key);
    this.#kept.set(key, compiled);
    return compiled;
  }

  /** Ends the thread; answers in progress fail. */
  close(): void {
    this.#thread?.end(new Error('the model is being closed'));
  }

  #forgetOldest(thread: MaskThread): void {
    const [oldest] = this.#kept.size >= maxKept ? this.#kept : [];
    if (oldest === undefined) return;
    const [key, compiled] = oldest;
    this.#kept.delete(key);
    const forget = ({ grammar }: CompiledConstraint) => thread.send({ kind: 'forget', grammar });
    compiled.then(forget, () => {});
  }

  async #compile(constraint: Constraint): Promise<CompiledConstraint> {
    this.#thread ??= new MaskThread(readVocabulary(this.#tokenizer, this.#options));
    const thread = this.#thread;
    const grammar = this.#nextGrammar++;
    this.#forgetOldest(thread);
    const first = await thread.compile(grammar, constraint);
    if (first.every((word) => word === 0))
      throw new GrammarError('the vocabulary of this model cannot write it: allow other characters');
    return {
      grammar,
      first,
      matcher: () => {
        const matcher = this.#nextMatcher++;
        thread.send({ kind: 'open', matcher, grammar });
        return new TokenMatcher(thread, matcher);
      },
    };
  }
}

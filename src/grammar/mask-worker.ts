// The thread that compiles grammars and makes masks, so that nobody waits for a compiler.
import { parentPort, workerData } from 'node:worker_threads';
import { type Constraint, constraintRules } from './constraint.ts';
import { toEbnf } from './ebnf-text.ts';
import { GrammarError } from './errors.ts';
import { isTextPart, mayFollow, narrowLeads } from './utf8.ts';
import type { FromMaskWorker, MaskReply, MaskRequest, MaskVocabulary, ToMaskWorker } from './worker-messages.ts';
import { type Compiler, loadXGrammar, type Matcher } from './xgrammar.ts';

/** The letters for bytes in byte-level vocabularies (GPT-2): printable ones are themselves. */
function byteLetters(): string[] {
  const isPrintable = (byte: number) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++));
}

const xgrammar = loadXGrammar();
const grammars = new Map<number, { dispose(): void }>();
/** Answers, and the last byte of each. */
const matchers = new Map<number, { readonly matcher: Matcher; last: number }>();
const vocabulary = workerData as MaskVocabulary;
const tokenBytes = (id: number) => vocabulary.bytes.subarray(vocabulary.starts[id], vocabulary.starts[id + 1]);
/** Tokens that cannot follow a byte, as masks; made when they are needed. */
const forbidden = new Map<number, Int32Array>();
const compiler = openCompiler(vocabulary);

async function openCompiler({ starts, endIds, size }: MaskVocabulary): Promise<Compiler> {
  const letters = byteLetters();
  const texts = Array.from({ length: starts.length - 1 }, (_, id) => {
    let text = '';
    const bytes = tokenBytes(id);
    if (isTextPart(bytes)) for (const byte of bytes) text += letters[byte];
    return text;
  });
  const info = await xgrammar.TokenizerInfo.createTokenizerInfo(texts, 'byte_level', false, size, endIds);
  return xgrammar.GrammarCompiler.createGrammarCompiler(info, false);
}

function forbiddenAfter(lead: number): Int32Array {
  const known = forbidden.get(lead);
  if (known !== undefined) return known;
  const mask = new Int32Array(Math.ceil(vocabulary.size / 32));
  for (let id = 0; id < vocabulary.starts.length - 1; id++) {
    const [first] = tokenBytes(id);
    if (first !== undefined && !mayFollow(lead, first)) mask[id >> 5] |= 1 << (id & 31);
  }
  forbidden.set(lead, mask);
  return mask;
}

/** Returns the mask of the next token; `last`: the byte before it. */
async function nextMask(matcher: Matcher, last: number): Promise<Int32Array<ArrayBuffer>> {
  const mask = await matcher.getNextTokenBitmask();
  if (narrowLeads.includes(last)) for (const [i, bits] of forbiddenAfter(last).entries()) mask[i] &= ~bits;
  return mask;
}

const lastByte = (id: number, before: number) => tokenBytes(id).at(-1) ?? before;

const isEmpty = (mask: Int32Array) => mask.every((word) => word === 0);

async function compile(grammar: number, constraint: Constraint): Promise<Int32Array<ArrayBuffer>> {
  const ebnf = toEbnf(constraintRules(constraint));
  const opened = await compiler; // first: two calls at once would load the library twice
  const parsed = await xgrammar.Grammar.fromEBNF(ebnf);
  const compiled = await opened.compileGrammar(parsed);
  parsed.dispose();
  grammars.set(grammar, compiled);
  const matcher = await xgrammar.GrammarMatcher.createGrammarMatcher(compiled);
  const mask = await matcher.getNextTokenBitmask();
  matcher.dispose();
  return mask;
}

async function makeMasks({ matcher: id, tokens, draft }: MaskRequest): Promise<MaskReply> {
  const answer = matchers.get(id);
  if (answer === undefined) return { failure: 'the answer is not known' };
  const { matcher } = answer;
  for (const token of tokens) {
    if (!matcher.acceptToken(token)) return { failure: `token ${token} does not continue the answer` };
    answer.last = lastByte(token, answer.last);
  }
  const mask = await nextMask(matcher, answer.last);
  if (isEmpty(mask)) return { failure: 'no token of the vocabulary continues the answer' };
  const isAllowed = draft !== null && ((mask[draft >> 5] >>> (draft & 31)) & 1) === 1;
  if (!isAllowed || !matcher.acceptToken(draft)) return { masks: [mask, null] };
  const after = matcher.isTerminated() ? mask : await nextMask(matcher, lastByte(draft, answer.last));
  matcher.rollBack(1);
  return { masks: [mask, after] };
}

async function answer(message: ToMaskWorker): Promise<FromMaskWorker | null> {
  switch (message.kind) {
    case 'compile':
      return { id: message.id, mask: await compile(message.grammar, message.constraint) };
    case 'open': {
      const compiled = grammars.get(message.grammar);
      if (compiled === undefined) return null;
      const matcher = await xgrammar.GrammarMatcher.createGrammarMatcher(compiled);
      matchers.set(message.matcher, { matcher, last: 0 });
      return null;
    }
    case 'masks': {
      const replies: MaskReply[] = [];
      for (const request of message.requests) replies.push(await makeMasks(request));
      return { id: message.id, replies };
    }
    case 'close':
      matchers.get(message.matcher)?.matcher.dispose();
      matchers.delete(message.matcher);
      return null;
    case 'forget':
      grammars.get(message.grammar)?.dispose();
      grammars.delete(message.grammar);
      return null;
  }
}

function toFailure(id: number, error: unknown): FromMaskWorker {
  if (!(error instanceof GrammarError)) return { id, failure: (error as Error).message };
  const { problem, pointer, callee } = error;
  return { id, refusal: { problem, pointer, callee } };
}

/** Messages are answered one after another: a mask follows what was taken before. */
let last: Promise<void> = Promise.resolve();
parentPort?.on('message', (message: ToMaskWorker) => {
  last = last.then(async () => {
    const reply = await answer(message).catch((error: unknown) =>
      'id' in message ? toFailure(message.id, error) : null,
    );
    if (reply !== null) parentPort?.postMessage(reply);
  });
});

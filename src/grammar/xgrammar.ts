// XGrammar, the library that makes masks: the part of it that is used, loaded. Only mask-worker.ts needs it.
//
// The package says that it is an ES module and is none (a UMD file that asks for require and __filename), so it is
// compiled as a CommonJS one.
import { readFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';

interface Disposable {
  dispose(): void;
}

export interface Matcher extends Disposable {
  /** Whether the token may come next; it is then taken. */
  acceptToken(id: number): boolean;
  rollBack(tokens: number): void;
  isTerminated(): boolean;
  /** Bit i % 32 of word i / 32, rounded down: whether token i may come next. */
  getNextTokenBitmask(): Promise<Int32Array<ArrayBuffer>>;
}

export interface Compiler extends Disposable {
  compileGrammar(grammar: Disposable): Promise<Disposable>;
}

export interface XGrammar {
  readonly Grammar: { fromEBNF(ebnf: string): Promise<Disposable> };
  readonly GrammarCompiler: { createGrammarCompiler(info: Disposable, cache: boolean): Promise<Compiler> };
  readonly GrammarMatcher: { createGrammarMatcher(compiled: Disposable): Promise<Matcher> };
  readonly TokenizerInfo: {
    createTokenizerInfo(
      vocabulary: readonly string[],
      kind: 'byte_level',
      prependsSpace: boolean,
      vocabularySize: number,
      endIds: readonly number[],
    ): Promise<Disposable>;
  };
}

export function loadXGrammar(): XGrammar {
  const path = createRequire(import.meta.url).resolve('@mlc-ai/web-xgrammar');
  const loaded = new Module(path) as Module & { _compile(code: string, file: string): void };
  loaded.filename = path;
  loaded.paths = [];
  loaded._compile(readFileSync(path, 'utf8'), path);
  return loaded.exports as XGrammar;
}

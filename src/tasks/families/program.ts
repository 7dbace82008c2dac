// Runs a function of a stranger in QuickJS, an interpreter in WebAssembly without files, network, or Node.
//
// Contract: never throws; a limit of steps, which no load of the machine moves, 8 MiB, and 128 KiB of stack for a
// program. What ends the interpreter itself (some texts break its assertions) costs a spare one; they are replaced as
// soon as the thread has time.
import { newQuickJSWASMModuleFromVariant, type QuickJSRuntime, type QuickJSWASMModule } from 'quickjs-emscripten-core';

/** The interpreter asks after every 10,000 steps whether to go on: 3 million steps, about 60 ms. */
const maxInterrupts = 300;
const memoryBytes = 2 ** 23;
const stackBytes = 2 ** 17;
const spareCount = 4;

const interpreters: QuickJSWASMModule[] = [];

/** Loads interpreters until the spare ones are there. */
export async function loadInterpreters(): Promise<void> {
  while (interpreters.length < spareCount)
    interpreters.push(await newQuickJSWASMModuleFromVariant(import('@jitl/quickjs-wasmfile-release-sync')));
}

/** What a function returned for each call, as JSON, or what is wrong with it. */
export type ProgramOutcome = { readonly results: readonly unknown[] } | { readonly problem: string };

/** Calls the function that `source` is once for each list of arguments. */
export function runProgram(source: string, calls: readonly (readonly unknown[])[]): ProgramOutcome {
  const [interpreter] = interpreters;
  if (interpreter === undefined) return { problem: 'the interpreter was ended by programs before' };
  try {
    const runtime = interpreter.newRuntime();
    runtime.setMemoryLimit(memoryBytes);
    runtime.setMaxStackSize(stackBytes);
    let interrupts = 0;
    runtime.setInterruptHandler(() => ++interrupts > maxInterrupts);
    const outcome = evaluate(runtime, source, calls);
    runtime.dispose();
    return outcome;
  } catch {
    interpreters.shift();
    void loadInterpreters();
    return { problem: 'it ends the interpreter' };
  }
}

function evaluate(runtime: QuickJSRuntime, source: string, calls: readonly (readonly unknown[])[]): ProgramOutcome {
  const context = runtime.newContext();
  // The text stands alone on its lines: a comment in it ends before the parenthesis.
  const returned = `${JSON.stringify(calls)}.map((args) => JSON.stringify(f(...args)) ?? null)`;
  const program = `const f = (\n${source}\n); JSON.stringify(${returned})`;
  const result = context.evalCode(program);
  if (result.error) {
    const error: unknown = context.dump(result.error);
    result.error.dispose();
    context.dispose();
    return { problem: `it does not run: ${describe(error)}` };
  }
  const text: unknown = context.dump(result.value);
  result.value.dispose();
  context.dispose();
  return readResults(text, calls.length);
}

function describe(error: unknown): string {
  const { name, message } = (error ?? {}) as { readonly name?: unknown; readonly message?: unknown };
  return typeof message === 'string' ? `${name}: ${message}`.slice(0, 120) : 'it throws';
}

/** A program may have replaced JSON: anything can come back. */
function readResults(text: unknown, count: number): ProgramOutcome {
  try {
    const results: unknown = JSON.parse(String(text));
    if (Array.isArray(results) && results.length === count) return { results };
  } catch {
    // it is no JSON
  }
  return { problem: 'it returns nothing that can be compared' };
}

#!/usr/bin/env node
// The command minke. Errors that say what to do are printed as one line; others keep their stack.
import { CorpusError } from '../corpus/index.ts';
import { MinkeError } from '../kernels/index.ts';
import { TaskError } from '../tasks/index.ts';
import { TokenizerError } from '../tokenizer/index.ts';
import { createProgram } from './program.ts';

try {
  await createProgram().parseAsync();
} catch (error) {
  const isOurs =
    error instanceof MinkeError ||
    error instanceof CorpusError ||
    error instanceof TokenizerError ||
    error instanceof TaskError;
  if (!isOurs) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

// Regular expressions of a tokenizer.json that this program does not know: they may never end, so they run under a
// limit. V8's engine backtracks, and (a+)+$ takes 2^n steps on n letters.
import { runWithin, TimeLimitError } from '../untrusted/index.ts';
import { malformed, TokenizerError } from './errors.ts';

/** The time that unknown patterns get for a text: these seconds, and these for each megabyte (2^20 characters). */
const limitMs = { text: 2000, megabyte: 5000 };
const maxComponents = 64;

/** Whether a pattern is one class of characters, perhaps repeated: then the time is proportional to the text. */
export function isOneClass(pattern: string): boolean {
  const isRepeated = /^(?:\\[sSdDnrt]|\\[pP]\{\w+\}|\[(?:[^[\]\\]|\\.)+\]|[^\\[\](){}.*+?^$|])(?:\+|\{1,\d\})?$/su;
  return isRepeated.test(pattern);
}

/** Returns a pattern that matches the text itself. */
export function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}

/** Returns what `work` returns. Throws TokenizerError where the patterns take too long on a text or need too much. */
export function withinLimit<T>(source: string, part: string, text: string, work: () => T): T {
  try {
    return runWithin(limitMs.text + (limitMs.megabyte * text.length) / 2 ** 20, work);
  } catch (error) {
    const isLate = error instanceof TimeLimitError;
    if (!isLate && !(error instanceof RangeError && /stack/.test(error.message))) throw error;
    const problem = isLate ? `take too long (${error.message})` : 'run out of stack';
    throw new TokenizerError(
      source,
      `${part}: its patterns ${problem}, on a text of ${text.length} characters`,
      'send a shorter text, or use another tokenizer',
    );
  }
}

/** Throws TokenizerError for a component with too many or too deeply nested parts. `field`: where the parts stand. */
export function checkComponents(json: unknown, source: string, part: string, field: string): void {
  let level = [json];
  let count = 0;
  for (let depth = 0; level.length > 0; depth++) {
    count += level.length;
    if (count > maxComponents || depth > 8)
      throw malformed(source, `${part}: expected at most ${maxComponents} parts, at most 8 deep`);
    level = level.flatMap((each) => {
      const parts = (each as Record<string, unknown> | null)?.[field];
      return Array.isArray(parts) ? parts : [];
    });
  }
}

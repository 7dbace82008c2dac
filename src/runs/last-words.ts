// What a process said before it ended badly.

/** A line in the form of minke's errors, `[what] problem; remedy`, else the last one. */
export function lastWords(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.findLast((line) => /^\[.+\] /.test(line)) ?? lines.at(-1) ?? 'it ended without a word';
}

// Names that somebody who mistyped one may have meant.

/** The number of letters to insert, remove or replace between two texts. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length];
}

/** Returns at most three candidates that differ in a third of their letters or less, the closest first. */
export function closestNames(text: string, candidates: readonly string[]): string[] {
  const given = text.toLowerCase();
  return candidates
    .map((name) => ({ name, distance: editDistance(given, name.toLowerCase()) }))
    .filter(({ distance }) => distance <= given.length / 3)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ name }) => name);
}

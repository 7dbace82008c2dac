// Whether a text is one of an expression without rules: by the sets of places where a match of each part may end.
import type { Expression } from './rules.ts';

/** Returns where a match that begins at one of `starts` may end. */
function ends(expression: Expression, points: readonly number[], starts: ReadonlySet<number>): Set<number> {
  switch (expression.type) {
    case 'text': {
      const own = [...expression.text].map((c) => c.codePointAt(0));
      const fits = (at: number) => own.every((point, i) => points[at + i] === point);
      return new Set([...starts].filter(fits).map((at) => at + own.length));
    }
    case 'characters': {
      const has = (point: number | undefined) =>
        point !== undefined && expression.ranges.some(([from, to]) => point >= from && point <= to);
      return new Set([...starts].filter((at) => has(points[at])).map((at) => at + 1));
    }
    case 'sequence':
      return expression.items.reduce((at, item) => ends(item, points, at), new Set(starts));
    case 'choice':
      return new Set(expression.items.flatMap((item) => [...ends(item, points, starts)]));
    case 'repeat': {
      const { item, min, max } = expression;
      const found = new Set(min === 0 ? starts : []);
      let at: ReadonlySet<number> = starts;
      for (let i = 1; i <= Math.min(max ?? Infinity, min + points.length + 1) && at.size > 0; i++) {
        at = ends(item, points, at);
        if (i < min) continue;
        at = new Set([...at].filter((each) => !found.has(each)));
        for (const each of at) found.add(each);
      }
      return found;
    }
    default:
      throw new Error(`broken invariant: ${expression.type} in a pattern`);
  }
}

/** Whether the whole text matches. Time grows with the size of the expression times the square of the text's. */
export function matchesWhole(expression: Expression, text: string): boolean {
  const points = [...text].map((c) => c.codePointAt(0) as number);
  return ends(expression, points, new Set([0])).has(points.length);
}

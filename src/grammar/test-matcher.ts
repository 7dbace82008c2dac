// The slow reference of masks: all ways in which the rules can go on, character by character.
import type { Expression, Rules } from './rules.ts';

/** What must follow: an expression, then others; null: the end. */
interface Rest {
  readonly first: Expression;
  readonly next: Rest | null;
}

type Way = Rest | null;

export class ReferenceMatcher {
  readonly #rules: Rules;
  readonly #rests = new Map<Expression, Map<Way, Rest>>();
  readonly #shorter = new Map<Expression, Expression>();
  #ways: ReadonlySet<Way>;

  constructor(rules: Rules) {
    this.#rules = rules;
    this.#ways = this.#expand([this.#before({ type: 'rule', name: 'root' }, null)]);
  }

  get canEnd(): boolean {
    return this.#ways.has(null);
  }

  /** Whether the text can come next. */
  allows(text: string): boolean {
    return this.#after(text).size > 0;
  }

  push(text: string): void {
    this.#ways = this.#after(text);
  }

  #after(text: string): ReadonlySet<Way> {
    let ways = this.#ways;
    for (const c of text) ways = this.#expand([...ways].flatMap((way) => this.#take(way, c)));
    return ways;
  }

  /** The same expression before the same rest is the same object, so that sets find it. */
  #before(first: Expression, next: Way): Rest {
    const known = this.#rests.get(first) ?? new Map<Way, Rest>();
    this.#rests.set(first, known);
    const rest = known.get(next) ?? { first, next };
    known.set(next, rest);
    return rest;
  }

  #take(way: Way, c: string): Way[] {
    if (way === null) return [];
    const { first, next } = way;
    const point = c.codePointAt(0) as number;
    if (first.type === 'characters')
      return first.ranges.some(([from, to]) => point >= from && point <= to) ? [next] : [];
    if (first.type !== 'text' || !first.text.startsWith(c)) return [];
    return [this.#textBefore(first, c.length, next)];
  }

  #textBefore(expression: Expression & { type: 'text' }, from: number, next: Way): Way {
    const key = this.#shorter.get(expression) ?? { type: 'text' as const, text: expression.text.slice(from) };
    this.#shorter.set(expression, key);
    return this.#before(key, next);
  }

  #expand(ways: readonly Way[]): Set<Way> {
    const seen = new Set<Way>();
    const out = new Set<Way>();
    const open = [...ways];
    for (let way = open.pop(); way !== undefined; way = open.pop()) {
      if (seen.has(way)) continue;
      seen.add(way);
      if (way === null || way.first.type === 'characters' || (way.first.type === 'text' && way.first.text !== ''))
        out.add(way);
      else open.push(...this.#unfold(way));
    }
    return out;
  }

  #unfold({ first, next }: Rest): Way[] {
    if (first.type === 'rule') return [this.#before(this.#rules.get(first.name) as Expression, next)];
    if (first.type === 'choice') return first.items.map((item) => this.#before(item, next));
    if (first.type === 'sequence') return [first.items.reduceRight<Way>((way, item) => this.#before(item, way), next)];
    if (first.type !== 'repeat') return [next];
    const { item, min, max } = first;
    const fewer = this.#shorter.get(first) ?? {
      ...first,
      min: Math.max(0, min - 1),
      max: max === null ? null : max - 1,
    };
    this.#shorter.set(first, max === null && min === 0 ? first : fewer);
    const again = this.#before(item, this.#before(this.#shorter.get(first) as Expression, next));
    return max === 0 ? [next] : min === 0 ? [next, again] : [again];
  }
}

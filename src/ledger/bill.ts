// The bill of a model: this run, with its ancestors, with its teachers, with what failed on the way; as a tree.
//
// Contract: a run counts once, however often the lineage comes by it, under the first of these titles that it has. Two
// records of one run count as the one with more hours. What is missing, changed, circular or impossible is said.
import type { PriceBand } from '../planner/index.ts';
import { type LineageRecord, runKey } from '../train/index.ts';
import { type Amount, isPossible, recordAmount, sumAmounts } from './amount.ts';

/** Why a run is on the bill, from the nearest to the farthest. */
export const titles = ['own', 'ancestors', 'teachers', 'failed'] as const;
export type Title = (typeof titles)[number];

export interface BillNode {
  readonly record: LineageRecord;
  /** What it is to the run above it: `initial weights`, `teacher`, `failed`. */
  readonly role: string;
  readonly title: Title;
  /** Null where the run is counted at another place of the tree. */
  readonly amount: Amount | null;
  readonly below: readonly BillNode[];
}

export interface Bill {
  readonly tree: BillNode;
  /** Each with the ones before it. */
  readonly totals: Readonly<Record<Title, Amount>>;
  /** What is wrong with the lineage, or not known, in words. */
  readonly findings: readonly string[];
}

/** A link from a record to another one. */
interface Link {
  readonly role: string;
  /** Digest of the record; null where there is none. */
  readonly record: string | null;
  /** What it names where the record is missing. */
  readonly name: string;
  readonly weights: string | null;
  readonly title: Title | null;
  /** Whether it leads to what the run pays for, not to what it was made from. */
  readonly isCharge: boolean;
}

/** A run on the way down the tree, and how the way goes on. */
interface Passed {
  readonly key: string;
  readonly isCharge: boolean;
}

/** Charges that belong to their run as its own work does. */
const ownCharges = ['evaluation'];

/** Returns the links of a record, the nearest first. A title of null is that of the record itself. */
function listLinks({ parents, teachers, charged }: LineageRecord): Link[] {
  const toTitle = (why: string): Title | null => {
    if (ownCharges.includes(why)) return null;
    return why === 'collection' ? 'teachers' : 'failed';
  };
  return [
    ...parents.map((parent): Link => ({ ...parent, title: 'ancestors', isCharge: false })),
    ...teachers.map((teacher): Link => ({ ...teacher, role: 'teacher', title: 'teachers', isCharge: false })),
    ...charged.map(({ why, record }): Link => {
      return { role: why, record, name: why, weights: null, title: toTitle(why), isCharge: true };
    }),
  ];
}

const farther = (a: Title, b: Title): Title => titles[Math.max(titles.indexOf(a), titles.indexOf(b))];

export interface BillOptions {
  /** The price of an hour, instead of those in the records. */
  readonly price: PriceBand | null;
}

class BillWriter {
  readonly #records: ReadonlyMap<string, LineageRecord>;
  /** Records by the weights that their runs made. */
  readonly #makers: ReadonlyMap<string, LineageRecord>;
  readonly #options: BillOptions;
  readonly findings: string[] = [];
  /** The nearest title of each record that can be reached. */
  readonly #titles = new Map<string, Title>();
  /** The record with most hours of each run. */
  readonly #largest = new Map<string, LineageRecord>();
  /** Runs that stand in the tree already, and records whose links do. */
  readonly #counted = new Set<string>();
  readonly #expanded = new Set<string>();

  constructor(records: readonly LineageRecord[], options: BillOptions) {
    this.#records = new Map(records.map((record) => [record.digest, record]));
    const made = records.filter(({ weights, kind }) => weights !== null && kind !== 'eval');
    this.#makers = new Map(made.map((record) => [record.weights ?? '', record]));
    this.#options = options;
  }

  write(root: LineageRecord): Bill {
    this.#reach(root);
    const tree = this.#place(root, 'this run', 'own', []);
    const all = listNodes(tree);
    const upTo = (title: Title) =>
      sumAmounts(
        all.flatMap(({ title: own, amount }) =>
          amount !== null && titles.indexOf(own) <= titles.indexOf(title) ? [amount] : [],
        ),
      );
    const totals = Object.fromEntries(titles.map((title) => [title, upTo(title)])) as Bill['totals'];
    return { tree, totals, findings: [...new Set(this.findings)] };
  }

  /** Finds the nearest title of every record, nearer ones first. */
  #reach(root: LineageRecord): void {
    const queue = titles.map((): LineageRecord[] => []);
    this.#titles.set(root.digest, 'own');
    queue[0].push(root);
    for (const [rank, title] of titles.entries())
      for (const record of queue[rank]) {
        if (this.#titles.get(record.digest) !== title) continue;
        const key = runKey(record);
        const known = this.#largest.get(key);
        if (known === undefined || known.hours < record.hours) this.#largest.set(key, record);
        for (const link of listLinks(record)) {
          const next = this.#find(link);
          if (next === undefined) continue;
          const own = farther(title, link.title ?? title);
          const before = this.#titles.get(next.digest);
          if (before !== undefined && titles.indexOf(before) <= titles.indexOf(own)) continue;
          this.#titles.set(next.digest, own);
          queue[titles.indexOf(own)].push(next);
        }
      }
  }

  /** Returns the record behind a link: the one that it names, or where it names none, that of the same weights. */
  #find({ record, weights }: Link): LineageRecord | undefined {
    return record === null ? this.#makers.get(weights ?? '') : this.#records.get(record);
  }

  #place(record: LineageRecord, role: string, title: Title, path: readonly Passed[]): BillNode {
    const { digest, kind, name } = record;
    const key = runKey(record);
    const isHere = this.#titles.get(digest) === title && !this.#expanded.has(digest);
    if (!isHere) return { record, role, title, amount: null, below: [] };
    this.#expanded.add(digest);
    if (!isPossible(record)) this.findings.push(`${kind} ${name} has impossible numbers: they are left out`);
    const isNew = !this.#counted.has(key);
    this.#counted.add(key);
    const amount = isNew ? recordAmount(this.#largest.get(key) ?? record, this.#options.price) : null;
    const below = listLinks(record).flatMap((link) => {
      const next = this.#follow(record, link);
      if (next === null) return [];
      const passed = [...path, { key, isCharge: link.isCharge }];
      if (this.#goesBack(next, passed)) return [];
      return [this.#place(next, link.role, farther(title, link.title ?? title), passed)];
    });
    return { record, role, title, amount, below };
  }

  /** Whether a record is about a run above it; says so, unless that run pays for one that began from its own model. */
  #goesBack(next: LineageRecord, path: readonly Passed[]): boolean {
    const from = path.findIndex(({ key }) => key === runKey(next));
    if (from < 0) return false;
    if (!path.slice(from).some(({ isCharge }) => isCharge))
      this.findings.push(`the lineage goes in a circle at ${next.kind} ${next.name}: it counts once`);
    return true;
  }

  /** Returns the record behind a link; says where there is none, or where it is about other weights. */
  #follow({ kind, name: from }: LineageRecord, link: Link): LineageRecord | null {
    const { role, record, name, weights } = link;
    const next = this.#find(link);
    const which = `${role} of ${kind} ${from}`;
    const label = [name, weights?.slice(0, 12) ?? []].flat().filter(Boolean).join(', ');
    if (next === undefined) {
      const why = describeMissing(role, record, weights);
      this.findings.push(`the ${which}${label && label !== role ? ` (${label})` : ''} ${why}`);
      return null;
    }
    if (weights && next.weights && weights !== next.weights)
      this.findings.push(
        `the ${which} (${label}) are not those that their lineage names: converted by an older version, or changed`,
      );
    return next;
  }
}

function describeMissing(role: string, record: string | null, weights: string | null): string {
  if (record !== null) return `have no record any more: it was removed, or changed; their cost is left out`;
  if (role === 'teacher' && weights === null) return 'answered through an API: its cost is not known';
  return 'have no lineage: what made them, and what that cost, is not known';
}

/** Returns all nodes of a tree. */
export function listNodes(tree: BillNode): BillNode[] {
  return [tree, ...tree.below.flatMap(listNodes)];
}

/** Returns the bill of a run. `records`: of all that it may go back to. */
export function writeBill(run: LineageRecord, records: readonly LineageRecord[], options: BillOptions): Bill {
  return new BillWriter(records, options).write(run);
}

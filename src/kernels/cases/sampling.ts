// Rows for sampling: every cut alone and together, edits, ties, infinities, refusals, with and without a workspace.
// Draws are put into the middle of a token's share, so that rounding cannot choose another.
import { Random } from '../../math/index.ts';
import { type Settings, survivors } from '../reference/sampling.ts';
import { samplingWorkspaceBytes } from '../sizes.ts';
import type { Case } from './case.ts';

interface Edit {
  readonly id: number;
  readonly factor?: number;
  readonly offset?: number;
}

interface Row {
  readonly settings?: Partial<Settings>;
  readonly edits?: readonly Edit[];
  /** The ids that the row may have. */
  readonly allowed?: (id: number) => boolean;
}

const plain: Settings = { temperature: 1, topK: 0, topP: 1, minP: 0, draw: 0.5 };

function edited(row: Float32Array, { edits = [], allowed }: Row, banned: readonly number[]): Float32Array {
  const result = row.slice();
  for (const { id, factor = 1, offset = 0 } of edits) {
    const x = result[id];
    result[id] = Math.fround(x > 0 ? x / factor : x * factor) + offset;
  }
  for (const id of banned) result[id] = Number.NEGATIVE_INFINITY;
  return allowed ? result.map((x, id) => (allowed(id) ? x : Number.NEGATIVE_INFINITY)) : result;
}

/** A draw for the largest share among the tokens that `settings.draw` lies near. */
function centred(row: Float32Array, settings: Settings): number {
  if (settings.temperature <= 0 || Number.isNaN(settings.temperature)) return settings.draw;
  const candidates = survivors(row, settings);
  const whole = candidates.reduce((sum, [, weight]) => sum + weight, 0);
  let [sum, draw, share] = [0, 0, 0];
  for (const [, weight] of candidates) {
    const isNear = Math.abs(sum / whole - settings.draw) < 0.2 || candidates.length < 10;
    if (isNear && weight > share) [draw, share] = [(sum + weight / 2) / whole, weight];
    sum += weight;
  }
  return draw;
}

/** A workspace where one is needed; `shared` gives one where none is: the arithmetic must be the same. */
function workspaceFor(R: number, V: number, shared: boolean): Float32Array | null {
  const bytes = samplingWorkspaceBytes(R, V) || (shared ? samplingWorkspaceBytes(1, 20_000) : 0);
  return bytes > 0 ? new Float32Array(bytes / 4) : null;
}

/** The masks of the rows that have one, the last first; a row without has -1. */
function masksFor(rows: readonly Row[], V: number) {
  const masked = rows.filter(({ allowed }) => allowed !== undefined).reverse();
  const width = Math.ceil(V / 32);
  const masks = new Int32Array(masked.length * width);
  for (const [k, { allowed }] of masked.entries())
    for (let id = 0; id < V; id++) if (allowed?.(id)) masks[k * width + (id >> 5)] |= 1 << (id & 31);
  return { maskRows: Int32Array.from(rows, (row) => masked.indexOf(row)), masks, K: masked.length };
}

function sample(
  name: string,
  logits: Float32Array,
  rows: readonly Row[],
  shared = false,
  banned: readonly number[] = [],
): Case {
  const R = rows.length;
  const V = logits.length / R;
  const edits = rows.flatMap((row) => row.edits ?? []);
  const starts = [0];
  for (const row of rows) starts.push((starts.at(-1) as number) + (row.edits?.length ?? 0));
  const settings = rows.flatMap((row, r) => {
    const own = { ...plain, ...row.settings };
    const draw = centred(edited(logits.subarray(r * V, (r + 1) * V), row, banned), own);
    return [own.temperature, own.topK, own.topP, own.minP, draw];
  });
  const padded = [...edits, { id: -7 }]; // behind the last start: not read
  const workspace = workspaceFor(R, V, shared);
  return {
    kernel: 'sample_tokens',
    name: `${name}, [${R}, ${V}]${workspace ? ', shared rows' : ''}`,
    args: {
      logits,
      settings: Float32Array.from(settings),
      starts: Int32Array.from(starts),
      ids: Int32Array.from(padded, ({ id }) => id),
      factors: Float32Array.from(padded, ({ factor = 1 }: Edit) => factor),
      offsets: Float32Array.from(padded, ({ offset = 0 }: Edit) => offset),
      banned: Int32Array.from(banned),
      ...masksFor(rows, V),
      workspace,
      tokens: new Int32Array(R).fill(-1),
      logprobs: new Float32Array(R).fill(7),
      R,
      V,
      M: padded.length,
      N: banned.length,
    },
    ignore: ['workspace'],
  };
}

function top(name: string, logits: Float32Array, R: number, count: number, shared = false): Case {
  const V = logits.length / Math.max(1, R);
  const workspace = workspaceFor(R, V, shared);
  return {
    kernel: 'top_logprobs',
    name: `${name}, ${count} of [${R}, ${V}]${workspace ? ', shared rows' : ''}`,
    args: {
      logits,
      workspace,
      ids: new Int32Array(R * count).fill(-1),
      logprobs: new Float32Array(R * count).fill(7),
      R,
      V,
      count,
    },
    ignore: ['workspace'],
  };
}

/** All kinds of settings; cuts lie where no rounding moves them. */
function kinds(V: number): Row[] {
  const settings: Partial<Settings>[] = [
    { temperature: 0 },
    { draw: 0.1 },
    { temperature: 0.6, topP: 0.95, draw: 0.9 },
    { topK: 3, draw: 0.7 },
    { topK: 40, topP: 0.8 },
    { topK: V, temperature: 1.5 },
    { minP: 0.1 },
    { topP: 0.9, minP: 0.05, draw: 0.3 },
    { topK: 50, topP: 0.97, minP: 0.02, temperature: 0.8 },
    { topK: 10, minP: 0.2 },
    { topP: 0, draw: 0.99 },
    { temperature: 1e-3, draw: 0.4 },
    { temperature: 100, topP: 0.5 },
    { temperature: Number.POSITIVE_INFINITY, topK: 4 },
    { minP: 1, draw: 0.8 },
    { temperature: 1e-42 },
    { topK: 1, draw: 0.95 },
    { temperature: 0.7, topP: 0.999_999 },
  ];
  return settings.map((own, r) => {
    const at = (i: number) => (r * 31 + i * 7) % V;
    const penalties = Array.from({ length: Math.min(V, r % 4) }, (_, i) => ({ id: at(i), factor: 1.3, offset: -0.5 }));
    return { settings: own, edits: penalties };
  });
}

/** Stream 2 of each seed: its cuts lie where no rounding moves them. */
const normals = (rows: number, V: number, scale = 3) => new Random(rows * 31 + V, 2).normals(rows * V, scale);
const grid = (rows: number, V: number) => normals(rows, V, 2).map((x) => Math.round(x));

const every = [1, 5, 257, 4096].flatMap((V) => {
  const rows = kinds(V);
  return [
    sample('all settings', normals(rows.length, V), rows),
    sample('ties', grid(rows.length, V), rows),
    sample('all settings', normals(rows.length, V), rows, V < 300),
  ];
});

const five = new Float32Array([1, 4, 4, -2, 0.5]);
const { NEGATIVE_INFINITY, POSITIVE_INFINITY, NaN: nan } = Number;
const one = (name: string, logits: Float32Array, row: Row) => sample(name, logits, [row]);

const special: Case[] = [
  one('banned: the next best', five, { settings: { temperature: 0 }, edits: [{ id: 1, offset: NEGATIVE_INFINITY }] }),
  one('forced', five, { settings: { draw: 0.99 }, edits: [{ id: 3, offset: POSITIVE_INFINITY }] }),
  one('two forced', five, {
    settings: { draw: 0.7 },
    edits: [
      { id: 3, offset: POSITIVE_INFINITY },
      { id: 0, offset: POSITIVE_INFINITY },
    ],
  }),
  ...[0, 1].map((temperature) =>
    one(`all banned at temperature ${temperature}`, five, {
      settings: { temperature, draw: 0.5 },
      edits: [0, 1, 2, 3, 4].map((id) => ({ id, offset: NEGATIVE_INFINITY })),
    }),
  ),
  one('edits of one id, one after the other', five, {
    settings: { temperature: 0 },
    edits: [
      { id: 4, factor: 2, offset: 3 },
      { id: 4, factor: 0.5 },
    ],
  }),
  one('a masked logit', new Float32Array([NEGATIVE_INFINITY, 0, 1]), { settings: { draw: 0.1 } }),
  one('minus zero is zero', new Float32Array([-0, 0, -0]), { settings: { topK: 1 } }),
  sample('pieces and threads', normals(2, 20_000), [{ settings: { temperature: 0 } }, { settings: { topK: 30 } }]),
  sample('pieces and threads', normals(2, 20_000, 0.3), [{ settings: { topP: 0.6 } }, { settings: { draw: 0.8 } }]),
  ...[57, 300, 20_000].map((V) => {
    const last = Array.from({ length: V >> 1 }, (_, i) => V - 1 - i);
    const rows = kinds(V).filter(({ settings }, r) => settings?.temperature !== 1e-3 && (V < 1000 || r < 3));
    return sample('half of the ids banned in every row', normals(rows.length, V), rows, V < 60, [...last, 0]);
  }),
  ...[5, 57, 300, 20_000].map((V) => {
    const allowed = (r: number) => (id: number) => (id * (r + 3) + r) % 5 < 2 || id === V - 1;
    const rows = kinds(V)
      .filter(({ settings }, r) => settings?.temperature !== 1e-3 && (V < 1000 || r < 3))
      .map((row, r) => (r % 3 === 1 ? row : { ...row, allowed: allowed(r) }));
    return sample('masks of some rows', normals(rows.length, V), rows, V < 60, [0]);
  }),
  one('a mask that allows one token', five, { settings: { draw: 0.99 }, allowed: (id) => id === 3 }),
  sample('no rows', new Float32Array(0), []),
];

function refused(name: string, fault: 'notFinite' | 'badOffsets' | 'indexOutOfRange', change: Case['args']): Case {
  const row = sample(name, normals(2, 9), [{}, { edits: [{ id: 1 }, { id: 2 }] }]);
  return { ...row, args: { ...row.args, ...change }, fault };
}

/** Logits [2, 9] with one changed. */
function spoilt(value: number): Float32Array {
  const logits = normals(2, 9);
  logits[11] = value;
  return logits;
}

const refusals: Case[] = [
  refused('a NaN logit', 'notFinite', { logits: spoilt(nan) }),
  refused('an infinite logit', 'notFinite', { logits: spoilt(POSITIVE_INFINITY) }),
  refused('nothing but minus infinity', 'notFinite', { logits: new Float32Array(18).fill(NEGATIVE_INFINITY) }),
  refused('a NaN setting', 'notFinite', { settings: Float32Array.of(0, 0, 1, 0, 0, 0, 0, nan, 0, 0) }),
  refused('an edit to NaN', 'notFinite', { offsets: Float32Array.of(nan, 0, 0) }),
  refused('starts beyond the edits', 'badOffsets', { starts: Int32Array.of(0, 0, 4) }),
  refused('starts that fall', 'badOffsets', { starts: Int32Array.of(2, 1, 3) }),
  refused('a start below zero', 'badOffsets', { starts: Int32Array.of(-1, 0, 1) }),
  ...[-1, 9].map((id) => refused(`a ban of ${id} in 9`, 'indexOutOfRange', { banned: Int32Array.of(3, id), N: 2 })),
  ...[-1, 9].map((id) => refused(`edit of ${id} in 9`, 'indexOutOfRange', { ids: Int32Array.of(1, id, 0) })),
  refused('a mask that is not there', 'indexOutOfRange', {
    maskRows: Int32Array.of(-1, 1),
    masks: new Int32Array(1),
    K: 1,
  }),
  { ...top('a NaN logit', spoilt(nan), 2, 3), fault: 'notFinite' },
  { ...top('an infinite logit', spoilt(POSITIVE_INFINITY), 2, 3), fault: 'notFinite' },
];

export const sampling: Case[] = [
  ...every,
  ...special,
  ...refusals,
  top('one token', normals(3, 1), 3, 1),
  top('all of them', normals(3, 5), 3, 5),
  top('ties', grid(3, 257), 3, 20),
  top('many', normals(7, 4096), 7, 20),
  top('shared', normals(7, 257), 7, 3, true),
  top('pieces and threads', grid(2, 20_000), 2, 20),
  top('masked logits', new Float32Array([NEGATIVE_INFINITY, 1, NEGATIVE_INFINITY, 0]), 1, 4),
  top('no rows', new Float32Array(0), 0, 1),
];

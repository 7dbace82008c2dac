// A row's result has the same bits alone, in a batch, in chunks, and on any number of threads: the kernels that work
// row by row (token by token), on every device. npm test -- rows
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Random } from '../math/index.ts';
import { type Case, toFormat } from './cases/case.ts';
import { runCase } from './cases/run.ts';
import type { Data } from './dtype.ts';
import { testDevices } from './test-devices.ts';

const rows = 70; // more than one task of every kernel below

interface RowWise {
  readonly of: (from: number, to: number) => Case;
  /** Written arguments and how many of their elements belong to a row. */
  readonly perRow: Readonly<Record<string, number>>;
}

const cut = <D extends Data>(data: D, width: number, from: number, to: number) =>
  data.slice(from * width, to * width) as D;

function crossEntropy(V: number): RowWise {
  const random = new Random(V);
  const logits = random.normals(rows * V, 4);
  const targets = Int32Array.from({ length: rows }, () => random.below(V));
  return {
    of: (from, to) => ({
      kernel: 'cross_entropy_f32',
      name: 'rows',
      args: {
        logits: cut(logits, V, from, to),
        targets: cut(targets, 1, from, to),
        logprob: new Float32Array(to - from),
        lse: new Float32Array(to - from),
        entropy: new Float32Array(to - from),
        rows: to - from,
        V,
        ignore: -100,
      },
    }),
    perRow: { logprob: 1, lse: 1, entropy: 1 },
  };
}

function crossEntropyBackward(V: number): RowWise {
  const random = new Random(V + 1);
  const logits = random.normals(rows * V, 4);
  const targets = Int32Array.from({ length: rows }, () => random.below(V));
  const grad = random.normals(rows);
  return {
    of: (from, to) => ({
      kernel: 'cross_entropy_backward_f32',
      name: 'rows',
      args: {
        logits: cut(logits, V, from, to),
        targets: cut(targets, 1, from, to),
        lse: new Float32Array(to - from).fill(9),
        grad: cut(grad, 1, from, to),
        dlogits: new Float32Array((to - from) * V),
        dlogits_type: 0,
        rows: to - from,
        V,
        ignore: -100,
      },
    }),
    perRow: { dlogits: V },
  };
}

function router(E: number, K: number, groups: number, softmax: number): RowWise {
  const random = new Random(E);
  const logits = random.normals(rows * E);
  const bias = random.normals(E, 0.1);
  return {
    of: (from, to) => ({
      kernel: 'router_f32',
      name: 'rows',
      args: {
        logits: cut(logits, E, from, to),
        bias,
        indices: new Int32Array((to - from) * K),
        weights: new Float32Array((to - from) * K),
        scores: new Float32Array((to - from) * E),
        T: to - from,
        E,
        K,
        groups,
        top_groups: Math.ceil(groups / 2),
        group_best: 2,
        softmax,
        normalize: 1,
        scale: 2.5,
      },
    }),
    perRow: { indices: K, weights: K, scores: E },
  };
}

/** Tokens that keep their expert rows while the others come and go: y and row_index stay, T changes. */
function unpermute(K: number, cols: number): RowWise {
  const random = new Random(cols);
  const y = toFormat('bf16', random.normals(rows * K * cols));
  const rowIndex = Int32Array.from({ length: rows * K }, (_, i) => (i * 37 + 11) % (rows * K));
  const weights = random.normals(rows * K);
  const base = random.normals(rows * cols);
  return {
    of: (from, to) => ({
      kernel: 'unpermute_rows',
      name: 'rows',
      args: {
        y,
        row_index: cut(rowIndex, K, from, to),
        weights: cut(weights, K, from, to),
        base: cut(base, cols, from, to),
        out: new Float32Array((to - from) * cols),
        y_type: 1,
        out_type: 0,
        T: to - from,
        K,
        rows: rows * K,
        cols,
      },
      formats: { y: 'bf16' },
    }),
    perRow: { out: cols },
  };
}

const kernels: Readonly<Record<string, RowWise>> = {
  'cross-entropy of 5003': crossEntropy(5003),
  'gradient of cross-entropy of 5003': crossEntropyBackward(5003),
  'sigmoid router of 48 in 6 groups': router(48, 5, 6, 0),
  'softmax router of 77': router(77, 3, 1, 1),
  'unpermute of 6 rows of 203': unpermute(6, 203),
};

const devices = [...testDevices(1), ...testDevices(2).filter((device) => device.name !== 'reference')];

for (const device of devices) {
  describe(`rows on ${device.name} ${device.isa}, ${device.threads} threads`, () => {
    after(() => device.close());
    for (const [name, { of, perRow }] of Object.entries(kernels))
      test(name, async () => {
        const whole = await runCase(device, of(0, rows));
        for (const [from, to] of [
          [0, 1],
          [1, 4],
          [33, 34],
          [4, rows],
        ] as const) {
          const part = await runCase(device, of(from, to));
          for (const [argument, width] of Object.entries(perRow)) {
            const expected = cut(whole.written.get(argument)?.data as Data, width, from, to);
            assert.deepEqual(part.written.get(argument)?.data, expected, `${argument} of rows ${from} to ${to}`);
          }
        }
      });
  });
}

test('one thread and two give the same bits', async () => {
  const [one, two] = [testDevices(1).slice(1), testDevices(2).slice(1)];
  try {
    for (const [i, device] of one.entries())
      for (const { of, perRow } of Object.values(kernels)) {
        const alone = await runCase(device, of(0, rows));
        const batched = await runCase(two[i], of(0, rows));
        for (const argument of Object.keys(perRow))
          assert.deepEqual(batched.written.get(argument)?.data, alone.written.get(argument)?.data, argument);
      }
  } finally {
    for (const device of [...one, ...two]) await device.close();
  }
});

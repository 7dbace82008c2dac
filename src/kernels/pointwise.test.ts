// Norms, rope, swiglu, embedding and reductions: the same bits for a row alone or among others, fused or not; and
// gradients against finite differences. npm test -- pointwise
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Random } from '../math/index.ts';
import type { Case } from './cases/case.ts';
import { embedding } from './cases/embedding.ts';
import { norm } from './cases/norm.ts';
import { reduction } from './cases/reduction.ts';
import { rope } from './cases/rope.ts';
import { runCase } from './cases/run.ts';
import { swiglu } from './cases/swiglu.ts';
import type { Device } from './device.ts';
import type { Data } from './dtype.ts';
import { ropeTable } from './rope-table.ts';
import { kernels } from './table.ts';
import { testDevices } from './test-devices.ts';

const rows = [...embedding, ...norm, ...reduction, ...rope, ...swiglu];

/** Elements of an argument that belong to one row; arguments not named are shared by all rows. */
type Strides = Readonly<Record<string, (args: Case['args']) => number>>;

const word = (name: string) => (args: Case['args']) => args[name] as number;
const one = () => 1;
const rowwise: Partial<Record<Case['kernel'], { count: string; strides: Strides }>> = {
  rms_norm: { count: 'rows', strides: { x: word('x_ld'), out: word('out_ld'), inv_rms: one } },
  add_rms_norm: {
    count: 'rows',
    strides: { x: word('cols'), delta: word('cols'), sum: word('cols'), out: word('cols'), inv_rms: one },
  },
  rope: {
    count: 'tokens',
    strides: { x: word('x_token_stride'), out: word('out_token_stride'), positions: one },
  },
  swiglu: { count: 'rows', strides: { gate: word('in_ld'), up: word('in_ld'), out: word('out_ld') } },
  swiglu_backward: {
    count: 'rows',
    strides: { gate: word('in_ld'), up: word('in_ld'), dy: word('dy_ld'), dgate: word('d_ld'), dup: word('d_ld') },
  },
  embedding: { count: 'tokens', strides: { ids: one, out: word('cols') } },
  row_sum: { count: 'rows', strides: { x: word('x_ld'), out: one } },
  row_dot: { count: 'rows', strides: { a: word('a_ld'), b: word('b_ld'), out: one } },
};

async function written(device: Device, row: Case): Promise<Map<string, Data>> {
  const outcome = await runCase(device, row);
  return new Map([...outcome.written].map(([name, { data }]) => [name, data]));
}

for (const device of testDevices().slice(1)) {
  describe(`fixed order on ${device.name} ${device.isa}`, () => {
    after(() => device.close());

    test('a row alone or among others', async () => {
      for (const row of rows.filter(({ fault }) => !fault)) {
        const shape = rowwise[row.kernel];
        const count = shape && (row.args[shape.count] as number);
        if (!shape || !count) continue;
        const whole = await written(device, row);
        const r = count - 1;
        const strides = Object.entries(shape.strides).map(([name, of]) => [name, of(row.args)] as const);
        const args = { ...row.args, [shape.count]: 1 };
        for (const [name, stride] of strides)
          args[name] = (args[name] as Data | null)?.slice(r * stride, (r + 1) * stride) ?? null;
        for (const [name, data] of await written(device, { ...row, args: args as Case['args'] })) {
          const stride = shape.strides[name]?.(row.args);
          assert.deepEqual(data, whole.get(name)?.slice(r * stride, (r + 1) * stride), `${row.kernel}: ${row.name}`);
        }
      }
    });

    test('add_rms_norm is add, then rms_norm', async () => {
      for (const row of norm.filter(({ kernel }) => kernel === 'add_rms_norm')) {
        const { x, delta, gain, out, inv_rms, cols, x_type, delta_type } = row.args;
        if (x_type !== delta_type) continue;
        const fused = await written(device, row);
        const n = (x as Data).length;
        const formats = row.formats ?? {};
        const sum = (
          await written(device, {
            kernel: x_type ? 'add_bf16' : 'add_f32',
            name: row.name,
            args: { a: x as Data, b: delta as Data, out: (x as Data).slice(), n },
          })
        ).get('out') as Data;
        const normed = await written(device, {
          kernel: 'rms_norm',
          name: row.name,
          args: { ...row.args, x: sum, gain, out, inv_rms, x_ld: cols, out_ld: cols } as Case['args'],
          formats,
        });
        assert.deepEqual(fused.get('sum'), sum.slice(0, (fused.get('sum') as Data).length), row.name);
        assert.deepEqual(fused.get('out'), normed.get('out'), row.name);
      }
    });
  });
}

// Finite differences over the definitions, which every device is compared with elsewhere.

type Function1 = (x: Float32Array) => Float32Array;

function define(name: Case['kernel'], ...words: unknown[]): void {
  const given = words.map((w) =>
    w instanceof Float32Array ? new Uint8Array(w.buffer, w.byteOffset, w.byteLength) : w,
  );
  const { parameters } = kernels[name];
  kernels[name].define(...parameters.map(({ kind }, i) => (kind === 'any' ? given[i] : words[i])));
}

/** dx must be the gradient of f(x) . dy. */
function checkGradient(name: string, f: Function1, x: Float32Array, dy: Float32Array, dx: Float32Array): void {
  const step = 2 ** -8;
  const level = Math.hypot(...dx) / Math.sqrt(dx.length);
  for (let i = 0; i < x.length; i++) {
    const at = x[i];
    const [up, down] = [step, -step].map((h) => {
      const moved = x.slice();
      moved[i] = at + h;
      return f(moved).reduce((sum, y, j) => sum + y * dy[j], 0);
    }) as [number, number];
    const slope = (up - down) / (2 * step);
    assert.ok(Math.abs(slope - dx[i]) < 1e-3 * level, `${name}[${i}]: ${dx[i]}, finite difference ${slope}`);
  }
}

const [R, D] = [3, 10];
const n = R * D;
const random = new Random(1);
const [x, y, dy] = [random.normals(n), random.normals(n), random.normals(n)];
const gain = random.normals(D);
const zeros = () => new Float32Array(n);

/** f(x) by a kernel that writes [R, D]. */
const by =
  (name: Case['kernel'], words: (x: Float32Array, out: Float32Array) => unknown[]): Function1 =>
  (v) => {
    const out = zeros();
    define(name, ...words(v, out));
    return out;
  };

test('rms_norm_backward is the gradient of rms_norm', () => {
  const inv = new Float32Array(R);
  const forward = (v: Float32Array, g: Float32Array, out: Float32Array) => [v, g, out, inv, R, D, D, D, 1e-6, 0, 0];
  define('rms_norm', ...forward(x, gain, zeros()));
  const [dx, dgain] = [zeros(), new Float32Array(D)];
  const absent = [new Uint8Array(), dx, new Uint16Array()];
  define('rms_norm_backward', x, gain, inv.slice(), dy, ...absent, dgain, zeros(), R, D, D, D, D, 0, 0, 0);
  checkGradient(
    'dx',
    by('rms_norm', (v, out) => forward(v, gain, out)),
    x,
    dy,
    dx,
  );
  checkGradient(
    'dgain',
    by('rms_norm', (v, out) => forward(x, v, out)),
    gain,
    dy,
    dgain,
  );
});

test('swiglu_backward is the gradient of swiglu', () => {
  const [dgate, dup] = [zeros(), zeros()];
  define('swiglu_backward', x, y, dy, dgate, dup, R, D, D, D, D, 0, 0);
  checkGradient(
    'dgate',
    by('swiglu', (v, out) => [v, y, out, R, D, D, D, 0, 0]),
    x,
    dy,
    dgate,
  );
  checkGradient(
    'dup',
    by('swiglu', (v, out) => [x, v, out, R, D, D, D, 0, 0]),
    y,
    dy,
    dup,
  );
});

test('rope turned back is the gradient of rope', () => {
  const { cos, sin } = ropeTable({ dim: D, base: 100, length: R });
  const positions = Int32Array.of(2, 0, 1);
  for (const half of [0, 1]) {
    const words = (inverse: number) => [cos, sin, positions, R, 1, D, D, D, D, D, R, half, inverse, 0];
    const dx = zeros();
    define('rope', dy, dx, ...words(1));
    checkGradient(
      'dx',
      by('rope', (v, out) => [v, out, ...words(0)]),
      x,
      dy,
      dx,
    );
  }
});

test('embedding_backward is the gradient of embedding, for repeated ids too', () => {
  const ids = Int32Array.of(1, 1, 0);
  const dtable = zeros();
  define('embedding_backward', ids, dy, dtable, R, R, D, 0, 0);
  checkGradient(
    'dtable',
    by('embedding', (v, out) => [ids, v, out, R, R, D, 0, 0]),
    x,
    dy,
    dtable,
  );
});

test('gradients of silu, sigmoid, a bias and a row scale', () => {
  const dx = zeros();
  define('silu_backward_f32', x, dy, dx, n);
  const silu = by('silu_f32', (v, out) => [v, out, n]);
  checkGradient('silu', silu, x, dy, dx);
  const sigmoid = by('sigmoid_f32', (v, out) => [v, out, n]);
  define('sigmoid_backward_f32', sigmoid(x), dy, dx, n);
  checkGradient('sigmoid', sigmoid, x, dy, dx);
  const dgain = new Float32Array(D);
  define('column_sum', dy, dgain, zeros(), R, D, D, 0, 0);
  checkGradient(
    'bias',
    by('add_row_f32', (v, out) => [x, v, out, R, D]),
    gain,
    dy,
    dgain,
  );
  const ds = new Float32Array(R);
  define('row_dot', x, dy, ds, R, D, D, D, 0, 0);
  checkGradient(
    'row scale',
    by('scale_rows_f32', (v, out) => [x, v, out, R, D]),
    gain.slice(0, R),
    dy,
    ds,
  );
});

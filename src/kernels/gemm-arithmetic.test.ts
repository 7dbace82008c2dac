// Every native build multiplies to the bit as its arithmetic is defined (arithmetic.ts): in all orders, for every
// number of rows around the registers, for lengths around blocks of the reduction, with subnormals, signed zeros,
// infinities and NaN. npm test -- gemm-arithmetic
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Random } from '../math/index.ts';
import type { Arithmetic } from './arithmetic.ts';
import type { Case } from './cases/case.ts';
import { gemm, gemmCase, type Shape } from './cases/gemm.ts';
import { runCase } from './cases/run.ts';
import type { Device } from './device.ts';
import { openDevice } from './open.ts';
import { dots } from './reference/dots.ts';
import { productDevices } from './test-devices.ts';

const isSmall = ({ args }: Case) => Number(args.m) * Number(args.n) * Number(args.k) < 400_000;

const lengths: Shape[] = [31, 32, 33, 63, 95, 127, 128, 161, 2050].map((k) => ({ m: 3, n: 18, k }));
const rows: Shape[] = Array.from({ length: 33 }, (_, i) => ({ m: i + 1, n: 33, k: 70 }));
const blocks: Shape[] = [
  { m: 530, n: 3, k: 35 },
  { m: 35, n: 530, k: 3 },
  { m: 2, n: 40, k: 1100, accumulate: true, formats: ['bf16', 'bf16', 'bf16'], gap: 3 },
];

/** Values whose products and sums lie around the smallest normal number, and zeros of both signs. */
function tinyValues(random: Random, count: number): Float32Array {
  return Float32Array.from(random.normals(count), (x) => {
    const kind = random.below(8);
    if (kind === 0) return Object.is(Math.sign(x), 1) ? 0 : -0;
    return kind === 1 ? x * 2 ** -130 : x * 2 ** (-63 - random.below(3));
  });
}

function specialValues(random: Random, count: number): Float32Array {
  const special = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 3e38, -3e38];
  return Float32Array.from(random.normals(count), (x) => (random.below(60) === 0 ? special[random.below(5)] : x));
}

type Draw = (random: Random, count: number) => Float32Array;

function withValues(row: Case, name: string, draw: Draw): Case {
  const random = new Random(5);
  const { a, b } = row.args as { a: Float32Array; b: Float32Array };
  return { ...row, name, args: { ...row.args, a: draw(random, a.length), b: draw(random, b.length) } };
}

const products: Case[] = (['nt', 'nn', 'tn'] as const).flatMap((order) => {
  const row = (shape: Shape) => gemmCase(order, 'bf16', shape);
  return [
    ...gemm.filter((each) => each.kernel.includes(`_${order}_`) && !each.fault && isSmall(each)),
    ...[...lengths, ...blocks].flatMap((shape) => [row(shape), gemmCase(order, 'fp8', shape)]),
    withValues(row({ m: 19, n: 37, k: 75 }), 'around the smallest normal number', tinyValues),
    withValues(row({ m: 19, n: 37, k: 75 }), 'infinities and NaN', specialValues),
  ];
});
products.push(...rows.map((shape) => gemmCase('nt', 'bf16', shape)));

/** Words of a result; every NaN is the same one. */
function toWords(data: ArrayBufferView & ArrayLike<number>): number[] {
  const words = data instanceof Float32Array ? new Uint32Array(data.buffer, data.byteOffset, data.length) : data;
  return Array.from(words, (word, i) => (Number.isNaN(data[i]) ? -1 : word));
}

async function received(device: Device, row: Case): Promise<number[]> {
  const { written } = await runCase(device, row);
  return toWords(written.get('c')?.data as Float32Array);
}

const definitions = new Map<string, Promise<number[]>>();

/** What the definition gives in an arithmetic, computed once for all builds that have it. */
function defined(arithmetic: Arithmetic, row: Case): Promise<number[]> {
  const key = `${arithmetic} ${products.indexOf(row)}`;
  const known = definitions.get(key);
  if (known) return known;
  const reference = openDevice({ device: 'reference', arithmetic });
  const result = received(reference, row).finally(() => reference.close());
  definitions.set(key, result);
  return result;
}

for (const device of productDevices(3)) {
  after(() => device.close());
  const { name, isa, arithmetic } = device;
  if (name !== 'native' || arithmetic === 'exact') continue;
  describe(`${isa} multiplies in ${arithmetic}`, () => {
    for (const row of products)
      test(`${row.kernel}: ${row.name}`, async () => {
        assert.deepEqual(await received(device, row), await defined(arithmetic, row));
      });
  });
}

test('the arithmetics differ where their definitions do', () => {
  const ones = new Float64Array(34).fill(1);
  const terms = Float64Array.from(ones, (_, k) =>
    k === 0 ? 2 ** 24 : k === 2 ? -(2 ** 24) : k === 33 ? 2 ** -130 : 1,
  );
  // In steps the sum loses what is added while it is large. In tiles only the even chain is large, and its ones follow.
  assert.equal(dots.steps(terms, ones, 0), 30);
  assert.equal(dots.pairs(terms, ones, 0), 29);
  assert.equal(dots.tiles(terms, ones, 0), 31);
  assert.equal(dots.steps(Float64Array.of(2 ** -130), Float64Array.of(1), 0), 2 ** -130);
  assert.equal(dots.tiles(Float64Array.of(2 ** -130), Float64Array.of(1), 0), 0);
  assert.equal(dots.pairs(Float64Array.of(2 ** -70), Float64Array.of(2 ** -60), 0), 0);
});

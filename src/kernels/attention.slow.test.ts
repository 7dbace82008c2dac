// Fixed order of arithmetic in attention: a query's result is the same to the bit from a cache, in chunks, in any
// batch, on one thread or two; and grouped heads equal repeated ones. npm test -- attention
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Random } from '../math/index.ts';
import { toFormat } from './cases/case.ts';
import type { Device, Buffer as Memory } from './device.ts';
import { type Data, fromBf16 } from './dtype.ts';
import type { Place } from './kernel.ts';
import { openDevice } from './open.ts';
import { type CallArguments, type KernelName, kernels } from './table.ts';
import { testDevices } from './test-devices.ts';

interface Heads {
  format: 'f32' | 'bf16';
  Hq: number;
  Hkv: number;
  Dk: number;
  Dv: number;
  /** @default 0: none */
  window?: number;
}

/** What a call sees: queries of some sequences behind what their caches already hold. */
interface Batch extends Heads {
  q: Float32Array;
  k: Float32Array;
  v: Float32Array;
  queries: number[];
  keys: number[];
  /** Distances between tokens and heads of v where they are not those of [S, Hkv, Dv]. */
  v_row?: number;
  v_head?: number;
}

type Outputs = Record<string, Float32Array>;

/** A prime number of normals, drawn once and repeated: drawing millions takes longer than what is tested. */
const drawn = new Random(1).normals(65_537);

function normals(length: number, seed: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => drawn[(i + 7919 * seed) % drawn.length]);
}

function starts(counts: readonly number[]): Int32Array {
  const sums = [0];
  for (const n of counts) sums.push((sums.at(-1) as number) + n);
  return Int32Array.from(sums);
}

/** Runs a kernel whose arguments are given by name, in f32; returns the arrays it writes. */
async function run(device: Device, name: KernelName, args: Record<string, Data | number>): Promise<Outputs> {
  const buffers = new Map<string, Memory>();
  const places = kernels[name].parameters.map((parameter): [string, Place] => {
    const given = args[parameter.name];
    assert.ok(given !== undefined, `${parameter.name} is missing`);
    if (typeof given === 'number') return [parameter.name, given];
    const data = parameter.kind === 'bf16' ? toFormat('bf16', given as Float32Array) : given;
    const buffer = device.alloc(data.byteLength);
    device.write(buffer, data);
    buffers.set(parameter.name, buffer);
    return [parameter.name, buffer];
  });
  device.run(name, Object.fromEntries(places) as CallArguments<KernelName>);
  const outputs: Outputs = {};
  for (const parameter of kernels[name].parameters) {
    const buffer = buffers.get(parameter.name);
    if (!buffer || !parameter.written) continue;
    outputs[parameter.name] =
      parameter.kind === 'bf16'
        ? Float32Array.from(await device.read(buffer, new Uint16Array(buffer.bytes / 2)), fromBf16)
        : await device.read(buffer, new Float32Array(buffer.bytes / 4));
  }
  for (const buffer of buffers.values()) buffer.free();
  return outputs;
}

function words(batch: Batch) {
  const { Hq, Hkv, Dk, Dv, queries, keys } = batch;
  const query_start = starts(queries);
  const key_start = starts(keys);
  return {
    Hq,
    Hkv,
    Dk,
    Dv,
    query_start,
    key_start,
    q: batch.q,
    k: batch.k,
    v: batch.v,
    first_position: Int32Array.from(queries, (n, b) => keys[b] - n),
    B: queries.length,
    max_queries: Math.max(...queries),
    T: query_start.at(-1) as number,
    S: key_start.at(-1) as number,
    q_row: Hq * Dk,
    q_head: Dk,
    k_row: Hkv * Dk,
    k_head: Dk,
    o_row: Hq * Dv,
    o_head: Dv,
    v_row: batch.v_row ?? Hkv * Dv,
    v_head: batch.v_head ?? Dv,
    causal: 1,
    window: batch.window ?? 0,
    scale: Dk ** -0.5,
  };
}

async function forward(device: Device, batch: Batch): Promise<{ o: Float32Array; lse: Float32Array }> {
  const given = words(batch);
  const o = new Float32Array(given.T * given.o_row);
  const out = await run(device, `attention_${batch.format}`, {
    ...given,
    o,
    lse: new Float32Array(given.T * batch.Hq),
  });
  return { o: out.o, lse: out.lse };
}

async function backward(device: Device, batch: Batch, dout: Float32Array): Promise<Outputs> {
  const given = words(batch);
  const { o, lse } = await forward(device, batch);
  const { Hq, Hkv, Dk, Dv } = batch;
  const out = await run(device, `attention_backward_${batch.format}`, {
    ...given,
    dq_row: Hq * Dk,
    dq_head: Dk,
    dk_row: Hkv * Dk,
    dk_head: Dk,
    dv_row: Hkv * Dv,
    dv_head: Dv,
    o,
    lse,
    dout,
    delta: lse,
    dq_sum: new Float32Array(given.T * Hq * Dk),
    dq: new Float32Array(given.T * Hq * Dk),
    dk: new Float32Array(given.S * Hkv * Dk),
    dv: new Float32Array(given.S * Hkv * Dv),
  });
  return { dq: out.dq, dk: out.dk, dv: out.dv };
}

/** Tokens [from, to) of an array of tokens, each `width` numbers. */
const tokens = (data: Float32Array, width: number, from: number, to: number) => data.slice(from * width, to * width);

function concat(...parts: Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const toBytes = ({ buffer, byteOffset, byteLength }: Float32Array) => Buffer.from(buffer, byteOffset, byteLength);

/** To the bit; every array that `expected` names. */
function assertSame(received: Outputs, expected: Outputs, where = ''): void {
  for (const [name, want] of Object.entries(expected)) {
    const got = received[name];
    assert.equal(got.length, want.length, `${name} ${where}`);
    if (toBytes(got).equals(toBytes(want))) continue;
    const at = want.findIndex((x, i) => !Object.is(x, got[i]));
    assert.equal(at, -1, `${name}[${at}] is ${got[at]}, expected ${want[at]} ${where}`);
  }
}

/** The outputs of several calls end to end. */
function joined(parts: readonly Outputs[]): Outputs {
  const names = Object.keys(parts[0]);
  return Object.fromEntries(names.map((name) => [name, concat(...parts.map((part) => part[name]))]));
}

function sequence(heads: Heads, length: number, seed: number): Batch {
  const { Hq, Hkv, Dk, Dv } = heads;
  const [q, k, v] = [Hq * Dk, Hkv * Dk, Hkv * Dv].map((width, i) => normals(length * width, 3 * seed + i));
  return {
    ...heads,
    q: q,
    k: k,
    v: v,
    queries: [length],
    keys: [length],
  };
}

/** Queries [from, to) of a sequence, with the keys up to them in a cache. */
function piece(whole: Batch, from: number, to: number): Batch {
  const { Hq, Hkv, Dk, Dv } = whole;
  return {
    ...whole,
    q: tokens(whole.q, Hq * Dk, from, to),
    k: tokens(whole.k, Hkv * Dk, 0, to),
    v: tokens(whole.v, Hkv * Dv, 0, to),
    queries: [to - from],
    keys: [to],
  };
}

function mergeBatches(...batches: Batch[]): Batch {
  return {
    ...batches[0],
    q: concat(...batches.map((b) => b.q)),
    k: concat(...batches.map((b) => b.k)),
    v: concat(...batches.map((b) => b.v)),
    queries: batches.flatMap((b) => b.queries),
    keys: batches.flatMap((b) => b.keys),
  };
}

function repeatHeads(data: Float32Array, heads: number, width: number, times: number): Float32Array {
  return concat(
    ...Array.from({ length: (data.length / width) * times }, (_, i) => {
      const token = Math.floor(i / (heads * times));
      const head = Math.floor((i % (heads * times)) / times);
      return tokens(data, width, token * heads + head, token * heads + head + 1);
    }),
  );
}

const grouped: Heads = { format: 'f32', Hq: 6, Hkv: 2, Dk: 48, Dv: 40 };
const expanded: Heads = { format: 'f32', Hq: 2, Hkv: 2, Dk: 192, Dv: 128 };
const windowed: Heads = { ...grouped, window: 70 };
const narrow: Heads = { ...grouped, Hq: 4, window: 5 };
const absorbed: Heads = { format: 'f32', Hq: 5, Hkv: 1, Dk: 576, Dv: 512 };
const shapes = Object.entries({ grouped, expanded, absorbed, windowed, narrow }).flatMap(([name, heads]) => [
  { name, heads },
  { name: `${name} in bf16`, heads: { ...heads, format: 'bf16' as const } },
]);

for (const device of testDevices().filter((d) => d.name !== 'reference')) {
  describe(`attention on ${device.name} ${device.isa}`, () => {
    let alone: Device;
    before(() => {
      alone = openDevice({ device: device.name, isa: device.isa, threads: 1 });
    });
    after(async () => {
      await device.close();
      await alone.close();
    });

    for (const { name, heads } of shapes) {
      const whole = sequence(heads, 150, 1);
      const other = sequence(heads, 71, 2);
      const { Hq, Dv } = heads;

      test(`${name}: cached = full`, async () => {
        const full = await forward(device, whole);
        for (const t of [0, 1, 62, 63, 64, 65, 127, 128, 149]) {
          const one = await forward(device, piece(whole, t, t + 1));
          const want = { o: tokens(full.o, Hq * Dv, t, t + 1), lse: tokens(full.lse, Hq, t, t + 1) };
          assertSame(one, want, `of token ${t}`);
        }
      });

      test(`${name}: chunked = whole`, async () => {
        const full = await forward(device, whole);
        for (const cuts of [
          [0, 64, 150],
          [0, 7, 8, 100, 150],
        ]) {
          const parts = [];
          for (let i = 0; i + 1 < cuts.length; i++)
            parts.push(await forward(device, piece(whole, cuts[i], cuts[i + 1])));
          assertSame(joined(parts), full, `cut at ${cuts}`);
        }
      });

      test(`${name}: batched = alone, packed documents = separate calls`, async () => {
        const batch = [piece(whole, 149, 150), other, piece(whole, 30, 101)];
        const separate = await Promise.all(batch.map((b) => forward(device, b)));
        const packed = await forward(device, mergeBatches(...batch));
        assertSame(packed, joined(separate));
      });

      test(`${name}: 1 thread = 2 threads, backward too`, async () => {
        const batch = mergeBatches(whole, other);
        assertSame(await forward(alone, batch), await forward(device, batch));
        const dout = normals((150 + 71) * Hq * Dv, 9);
        assertSame(await backward(alone, batch, dout), await backward(device, batch, dout));
      });

      // Alone there are too few heads for one walk each: keys and queries are gathered in two phases.
      test(`${name}: gradients of packed documents = separate calls`, async () => {
        const batch = [other, whole, other, other];
        const douts = batch.map((b, i) => normals(b.queries[0] * Hq * Dv, 10 + i));
        const packed = await backward(device, mergeBatches(...batch), concat(...douts));
        const separate: Outputs[] = [];
        for (const [i, b] of batch.entries()) separate.push(await backward(device, b, douts[i]));
        assertSame(packed, joined(separate));
      });
    }

    test('grouped heads = repeated key heads', async () => {
      const few = sequence(grouped, 100, 1);
      const times = grouped.Hq / grouped.Hkv;
      const k = repeatHeads(few.k, grouped.Hkv, grouped.Dk, times);
      const v = repeatHeads(few.v, grouped.Hkv, grouped.Dv, times);
      assertSame(await forward(device, { ...few, k, v, Hkv: grouped.Hq }), await forward(device, few));
    });

    test('values in front of the keys of one latent = values of their own', async () => {
      const own = sequence(absorbed, 70, 2);
      const latent = { ...own, v: own.k, v_row: absorbed.Dk, v_head: absorbed.Dk };
      const front = Array.from({ length: 70 }, (_, t) => own.k.slice(t * 576, t * 576 + 512));
      assertSame(await forward(device, latent), await forward(device, { ...own, v: concat(...front) }));
    });

    test('an infinite key or value in front of the window does not reach a query', async () => {
      for (const format of ['f32', 'bf16'] as const)
        for (const window of [5, 8]) {
          const clean = { ...sequence(grouped, 90, 3), format, window };
          const [k, v] = [clean.k.slice(), clean.v.slice()];
          k.fill(Number.POSITIVE_INFINITY, 0, 13 * grouped.Hkv * grouped.Dk);
          v.fill(Number.NaN, 0, 13 * grouped.Hkv * grouped.Dv);
          const last = (o: Float32Array) => tokens(o, grouped.Hq * grouped.Dv, 12 + window, 90);
          const want = last((await forward(device, clean)).o);
          assertSame({ o: last((await forward(device, { ...clean, k, v })).o) }, { o: want });
        }
    });

    test('an infinite key or value behind a query does not reach it', async () => {
      for (const format of ['f32', 'bf16'] as const) {
        const clean = { ...sequence(grouped, 20, 3), format };
        const [k, v] = [clean.k.slice(), clean.v.slice()];
        k.fill(Number.POSITIVE_INFINITY, 13 * grouped.Hkv * grouped.Dk);
        v.fill(Number.NaN, 13 * grouped.Hkv * grouped.Dv);
        const width = grouped.Hq * grouped.Dv;
        const want = tokens((await forward(device, clean)).o, width, 0, 13);
        assertSame({ o: tokens((await forward(device, { ...clean, k, v })).o, width, 0, 13) }, { o: want });
      }
    });
  });
}

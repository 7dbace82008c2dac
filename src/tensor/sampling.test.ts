// Sampling on every device: greedy is argmax, draws follow the softmax, and a row's bits do not depend on other rows,
// threads, or how the row is shared. Log-probabilities have a trainer's bits. npm test -- tensor/sampling
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Device, openDevice, ValueError } from '../kernels/index.ts';
import { bestDevices } from '../kernels/test-devices.ts';
import { Random } from '../math/index.ts';
import * as t from './index.ts';

type Setting = readonly [temperature: number, topK: number, topP: number, minP: number, draw: number];

interface Request {
  readonly logits: Float32Array;
  readonly setting: Setting;
  readonly edits?: readonly (readonly [id: number, factor: number, offset: number])[];
}

/** Tokens and log-probabilities of requests, in one call. */
async function draw(device: Device, requests: readonly Request[]): Promise<{ tokens: number[]; logprobs: number[] }> {
  const { logits, settings, edits } = inputs(device, requests);
  const { tokens, logprobs } = t.sampleTokens(logits, settings, edits);
  return { tokens: [...(await tokens.read())], logprobs: [...(await logprobs.read())] };
}

function inputs(device: Device, requests: readonly Request[]) {
  const on = { device };
  const [R, V] = [requests.length, requests[0].logits.length];
  const logits = new Float32Array(R * V);
  for (const [r, request] of requests.entries()) logits.set(request.logits, r * V);
  const edits = requests.flatMap((request) => request.edits ?? []);
  const starts = [0];
  for (const request of requests) starts.push((starts.at(-1) as number) + (request.edits?.length ?? 0));
  const padded = [...edits, [0, 1, 0] as const];
  const M = padded.length;
  return {
    logits: t.fromArray(logits, [R, V], on),
    settings: t.fromArray(Float32Array.from(requests.flatMap(({ setting }) => setting)), [R, 5], on),
    edits: {
      starts: t.fromArray(Int32Array.from(starts), [R + 1], on),
      ids: t.fromArray(
        Int32Array.from(padded, ([id]) => id),
        [M],
        on,
      ),
      factors: t.fromArray(
        Float32Array.from(padded, ([, factor]) => factor),
        [M],
        on,
      ),
      offsets: t.fromArray(
        Float32Array.from(padded, ([, , offset]) => offset),
        [M],
        on,
      ),
    },
  };
}

const settings: readonly Setting[] = [
  [0, 0, 1, 0, 0.5],
  [0.6, 0, 0.95, 0, 0.31],
  [1, 0, 1, 0, 0.77],
  [0.8, 40, 0.9, 0, 0.5],
  [1.3, 0, 1, 0.02, 0.9],
  [1, 700, 0.99, 0.001, 0.123],
];

/** Requests of every setting, some with edits. */
function requests(V: number, count: number, scale = 3): Request[] {
  const random = new Random(V + count);
  return Array.from({ length: count }, (_, r) => {
    const logits = random.normals(V, scale);
    const edits = Array.from({ length: r % 3 }, () => [random.below(V), 1.2, random.normal()] as const);
    return { logits, setting: settings[r % settings.length], edits };
  });
}

/** Runs an async test body whose tensors are freed at its end. */
const inScope = (body: () => Promise<void>) => () => t.asyncScope((inside) => inside(body));

for (const device of bestDevices()) {
  describe(`sampling on ${device.name} ${device.isa}`, () => {
    let alone: Device;
    before(() => {
      alone = openDevice({ device: device.name, isa: device.isa, threads: 1 });
    });
    after(async () => {
      await device.close();
      await alone.close();
    });
    const on = { device };
    const isSlow = device.name === 'reference';

    test(
      'temperature 0 is argmax, and so is top-k of 1',
      inScope(async () => {
        for (const [R, V] of [
          [5, 77],
          [2, 9000],
        ] as const) {
          const values = new Random(V).normals(R * V, 2).map((x) => Math.round(x * 4) / 4);
          const want = [...(await t.argmax(t.fromArray(values, [R, V], on)).read())];
          const rows = Array.from({ length: R }, (_, r) => values.slice(r * V, (r + 1) * V));
          for (const setting of [
            [0, 3, 0.5, 0.5, 0.9],
            [1, 1, 1, 0, 0.999],
            [0.7, 0, 0, 0, 0.999],
          ] as const) {
            const { tokens } = await draw(
              device,
              rows.map((logits) => ({ logits, setting })),
            );
            assert.deepEqual(tokens, want, `${setting}`);
          }
        }
      }),
    );

    test(
      'alone = among others = one thread, to the bit',
      inScope(async () => {
        // 20 rows of 9000 go one task a row; fewer share a row between threads.
        for (const [V, count] of isSlow
          ? [[600, 7] as const]
          : ([
              [600, 40],
              [9000, 20],
              [129_280, 4],
            ] as const)) {
          const all = requests(V, count);
          const batched = await draw(device, all);
          const separate = [];
          for (const request of all) separate.push(await draw(device, [request]));
          assert.deepEqual(
            separate.map(({ tokens }) => tokens[0]),
            batched.tokens,
          );
          assert.deepEqual(
            separate.map(({ logprobs }) => logprobs[0]),
            batched.logprobs,
          );
          assert.deepEqual(await draw(alone, all), batched, 'one thread');
        }
      }),
    );

    test(
      'log-probabilities are those of targetLogprobs, topLogprobs and the trainer, to the bit',
      inScope(async () => {
        const [T, D, V] = [3, 8, isSlow ? 500 : 20_000];
        const [x, head] = [t.randn([T, D], 1, 1, on), t.randn([V, D], 2, 1, on)];
        const logits = t.linear(x, head);
        const none = {
          starts: t.zeros([T + 1], { device, dtype: 'i32' }),
          ids: t.zeros([1], { device, dtype: 'i32' }),
        };
        const edits = { ...none, factors: t.zeros([1], on), offsets: t.zeros([1], on) };
        const sampled = t.sampleTokens(logits, t.zeros([T, 5], on), edits);
        const want = await sampled.logprobs.read();
        assert.deepEqual(await t.targetLogprobs(logits, sampled.tokens).read(), want);
        assert.deepEqual(await t.logprobs(x, head, sampled.tokens).logprobs.read(), want);
        const top = t.topLogprobs(logits, 1);
        assert.deepEqual(await t.reshape(top.ids, [T]).read(), await sampled.tokens.read());
        assert.deepEqual(await t.reshape(top.logprobs, [T]).read(), want);
      }),
    );

    test(
      'even draws meet each token as often as its probability says',
      inScope(async () => {
        const [V, N] = [40, isSlow ? 1000 : 4000];
        const logits = new Random(3).normals(V);
        for (const [temperature, edit] of [
          [1, 0],
          [0.5, 1.5],
        ] as const) {
          const edited = logits.map((x, id) => (id === 7 ? Math.fround(x + edit) : x));
          const weights = Float64Array.from(edited, (x) => Math.exp(x / temperature));
          const whole = weights.reduce((a, b) => a + b, 0);
          const counts = new Float64Array(V);
          const random = new Random(11);
          const rows = Array.from({ length: N }, () => ({
            logits,
            setting: [temperature, 0, 1, 0, random.uniform()] as const,
            edits: [[7, 1, edit] as const],
          }));
          for (const token of (await draw(device, rows)).tokens) counts[token]++;
          // Tokens expected less than 5 times are pooled, as the chi-square test requires.
          const rare = { expected: 0, seen: 0 };
          let [square, freedom] = [0, 0];
          for (let id = 0; id < V; id++) {
            const expected = (N * weights[id]) / whole;
            if (expected < 5) {
              rare.expected += expected;
              rare.seen += counts[id];
            } else {
              square += (counts[id] - expected) ** 2 / expected;
              freedom++;
            }
          }
          if (rare.expected > 0) square += (rare.seen - rare.expected) ** 2 / rare.expected;
          // Four standard deviations above the mean of the distribution.
          assert.ok(square < freedom + 4 * Math.sqrt(2 * freedom), `chi-square ${square} of ${freedom} degrees`);
        }
      }),
    );

    test(
      'no draw leaves what the cuts keep, and every kept token is met',
      inScope(async () => {
        const [V, N] = [300, 400];
        const logits = new Random(5).normals(V, 2).map((x) => Math.round(x)); // many equals at the borders
        const order = Array.from(logits, (_, id) => id).sort((a, b) => logits[b] - logits[a] || a - b);
        const rows = Array.from({ length: N }, (_, i) => ({ logits, setting: [2, 12, 1, 0, (i + 0.5) / N] as const }));
        const met = [...new Set((await draw(device, rows)).tokens)].sort((a, b) => a - b);
        assert.deepEqual(
          met,
          order.slice(0, 12).sort((a, b) => a - b),
        );
        const even = new Float32Array(V);
        const quarters = rows.map(({ setting }) => ({ logits: even, setting: [1, 0, 0.25, 0, setting[4]] as const }));
        assert.deepEqual(
          [...new Set((await draw(device, quarters)).tokens)].sort((a, b) => a - b),
          Array.from({ length: 75 }, (_, id) => id),
        );
      }),
    );

    test(
      'a recorded step follows settings, draws and edits',
      inScope(async () => {
        const all = requests(isSlow ? 300 : 9000, 12);
        const show = inputs(device, all.slice(0, 2));
        const more = { ids: 4 };
        const tensors = (pair: readonly Request[]) => {
          const { logits, settings: own, edits } = inputs(device, pair);
          const pad = (x: t.Tensor) => t.concat([x, t.zeros([more.ids - x.size + 1], { device, dtype: x.dtype })]);
          return [logits, own, edits.starts, pad(edits.ids), pad(edits.factors), pad(edits.offsets)] as const;
        };
        assert.ok(show.edits.ids.size <= more.ids);
        const replay = t.record(tensors(all.slice(0, 2)), (logits, own, starts, ids, factors, offsets) =>
          t.sampleTokens(logits, own, { starts, ids, factors, offsets }),
        );
        for (let i = 0; i < all.length; i += 2) {
          const pair = all.slice(i, i + 2);
          const { tokens, logprobs } = replay.replay(...tensors(pair));
          const received = { tokens: [...(await tokens.read())], logprobs: [...(await logprobs.read())] };
          assert.deepEqual(received, await draw(device, pair), `requests ${i} and ${i + 1}`);
        }
        await device.flush();
        replay.dispose();
      }),
    );

    test(
      'what the data got wrong is named by the next read, with its row',
      inScope(async () => {
        const setting = settings[1];
        const good = { logits: new Float32Array(9000), setting };
        const odd = { logits: new Float32Array(9000).fill(Number.NaN, 8999), setting };
        await assert.rejects(draw(device, [good, odd]), (error: Error) => {
          assert.ok(error instanceof ValueError);
          assert.match(error.message, /sample_tokens\] element 1 is not finite/);
          return true;
        });
        const banned = { ...good, edits: [[9000, 1, 0] as const] };
        await assert.rejects(draw(device, [good, banned]), /sample_tokens\] element 0 is 9000, expected 0 to 8999/);
        const logits = t.zeros([1, 5], on);
        const target = (id: number) => t.fromArray(Int32Array.of(id), [1], on);
        for (const id of [-100, 5])
          await assert.rejects(t.targetLogprobs(logits, target(id)).read(), /element 0 is -?\d+, expected 0 to 4/);
      }),
    );
  });
}

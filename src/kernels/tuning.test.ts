// Tuning: the rule that picks one, its text, that it is kept, and that it changes no bits. npm test -- kernels/tuning
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Random } from '../math/index.ts';
import { nativeIsas } from './cpu.ts';
import { openDevice } from './open.ts';
import { gemmWorkspaceBytes, groupBlockBytes, groupSize } from './sizes.ts';
import { chooseTuning, defaultTuning, formatTuning, parseTuning, requestedTuning, type Tuning } from './tuning.ts';

describe('the choice of a tuning', () => {
  /** Seconds of a machine that is slower by a factor for each thing that does not suit it. */
  const machine =
    (best: Tuning, factor: number) =>
    ({ loads, ahead, panels }: Tuning) =>
      0.003 *
      (loads === best.loads ? 1 : factor) *
      (panels === best.panels ? 1 : factor) *
      (ahead === best.ahead ? 1 : factor);

  for (const text of ['plain,2048,2', 'streamed,0,1', 'plain,8192,1', 'streamed,4096,2'])
    test(`${text} is found`, () => {
      const best = parseTuning(text) as Tuning;
      assert.deepEqual(chooseTuning(machine(best, 1.2)), best);
    });

  test('the default stays where nothing is clearly faster', () => {
    assert.deepEqual(chooseTuning(machine({ loads: 'streamed', ahead: 0, panels: 1 }, 1.01)), defaultTuning);
  });

  test('disturbed rounds do not count', () => {
    const best = parseTuning('streamed,0,1') as Tuning;
    let call = 0;
    const disturbed = (tuning: Tuning) => machine(best, 1.2)(tuning) * (call++ % 8 < 3 ? 7 : 1);
    assert.deepEqual(chooseTuning(disturbed), best);
  });

  test('MINKE_TUNING is read, and refused where it is none', () => {
    for (const text of ['plain,2048,2', 'streamed,0,1']) assert.equal(formatTuning(parseTuning(text) as Tuning), text);
    for (const text of ['', 'fast', 'plain,2048', 'plain,-1,2', 'plain,2048,3', 'plain,1e3,1', 'plain,2048,2 '])
      assert.equal(parseTuning(text), null, text);
    const before = process.env.MINKE_TUNING;
    process.env.MINKE_TUNING = 'plain';
    try {
      assert.throws(
        requestedTuning,
        /^DeviceError: \[open\] MINKE_TUNING=plain is no tuning; write loads, bytes ahead/,
      );
    } finally {
      if (before === undefined) delete process.env.MINKE_TUNING;
      else process.env.MINKE_TUNING = before;
    }
  });
});

/** Products of few and many rows with a weight whose columns do not fill their last panels, as bits. */
async function multiply(isa: string, tuning: string | undefined, threads: number): Promise<string> {
  if (tuning === undefined) delete process.env.MINKE_TUNING;
  else process.env.MINKE_TUNING = tuning;
  const device = openDevice({ device: 'native', isa, threads });
  delete process.env.MINKE_TUNING;
  if (tuning !== undefined) assert.equal(device.tuning, tuning);
  const random = new Random(7);
  const [n, k] = [3 * device.panelWidth + 5, 7 * groupSize];
  const results: string[] = [];
  for (const format of ['int8', 'int4'] as const) {
    const blocks = new Uint8Array(n * (k / groupSize) * groupBlockBytes[format]).map(() => random.whole(0, 255));
    for (let at = 1; at < blocks.length; at += groupBlockBytes[format]) blocks[at] &= 0x3b; // scales stay finite
    const from = device.alloc(blocks.length);
    const panels = device.alloc(Math.ceil(n / device.panelWidth) * device.panelWidth * (blocks.length / n));
    device.write(from, blocks);
    device.run(`pack_panels_${format}`, { blocks: from, panels, n, k, groups: 1 });
    for (const m of [1, 2, 3, 4, 6, 13]) {
      const [a, c] = [device.alloc(4 * m * k), device.alloc(4 * m * n)];
      const workspace = device.alloc(gemmWorkspaceBytes(m, k));
      device.write(a, random.normals(m * k, 1));
      const types = { a_type: 0, c_type: 0, accumulate: 0 };
      device.run(`gemm_panel_${format}`, { a, panels, c, workspace, m, n, k, lda: k, ldc: n, ...types });
      const out = await device.read(c, new Float32Array(m * n));
      assert.ok(out.some((x) => x !== 0) && out.every((x) => Number.isFinite(x)));
      results.push(Buffer.from(out.buffer).toString('base64'));
    }
  }
  await device.close();
  return results.join();
}

describe('a tuning changes no bits', { skip: nativeIsas().length === 0 }, () => {
  for (const isa of nativeIsas())
    test(isa, async () => {
      const expected = await multiply(isa, 'plain,0,1', 1);
      for (const tuning of ['plain,2048,2', 'streamed,0,1', 'streamed,4096,2', 'plain,99999,1', undefined])
        assert.equal(await multiply(isa, tuning, 2), expected, tuning);
      for (const threads of [3, 7])
        assert.equal(await multiply(isa, 'streamed,2048,2', threads), expected, `${threads}`);
    });
});

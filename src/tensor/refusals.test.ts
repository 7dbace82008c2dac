// Every op refuses what does not fit, in its own name, with what it expected, what it got and what to do. Total over
// the op table: an op without a row here does not compile. npm test -- refusals
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { DTypeError, type MinkeError, openDevice, ShapeError, ValueError } from '../kernels/index.ts';
import * as t from './index.ts';
import { type OpName, opNames } from './test-op-table.ts';

const device = openDevice({ device: 'reference' });
after(() => device.close());

const on = { device };
const f = (...shape: number[]) => t.zeros(shape, on);
const i = (...shape: number[]) => t.zeros(shape, { device, dtype: 'i32' });
const half = (...shape: number[]) => t.zeros(shape, { device, dtype: 'bf16' });
const codes = (...shape: number[]) => t.zeros(shape, { device, dtype: 'e4m3' });

const packed = (...shape: number[]) => t.packWeight(f(...shape), 'bf16');

type Refusal = readonly [call: () => unknown, kind: new (...a: never[]) => MinkeError, message: RegExp];

const wrongInner = /inner dimensions differ: x is \[2, 3\], w is \[.*4\] \(expected x \[\.\., 4\]\)/;
const plan = () => ({ offsets: i(3), rowIndex: i(2, 2), tokenIndex: i(4) });
const table = (pairs: number) => ({ cos: f(8, pairs), sin: f(8, pairs) });
const update = (n: number, gradient: number, hyper: number) => ({
  weight: f(n),
  m: f(n),
  v: f(n),
  gradient: f(gradient),
  hyper: f(hyper),
});

const pool = (format: 'bf16' | 'fp8' = 'bf16') =>
  new t.PagedPool({ format, width: 6, blocks: 2, codes: format === 'fp8' ? 4 : 0, device });

const heads = () => new t.HeadPool({ format: 'bf16', blocks: 2, heads: 2, keyWidth: 4, valueWidth: 4, device });

function attendHeads(q: t.Tensor): t.Tensor {
  return t.headAttention(q, heads(), { tables: i(1, 2), lengths: i(1), queryStart: i(2), maxQueries: 2 });
}

function attendPaged(q: t.Tensor, heads: Partial<t.PagedHeads>, records = pool()): t.Tensor {
  const sequences = { tables: i(1, 2), lengths: i(1), queryStart: i(2), maxQueries: 2 };
  return t.pagedAttention(q, records, sequences, { valueWidth: 4, ...heads });
}

function sample(logits: t.Tensor, settings: t.Tensor, starts = 3, edits = 1): t.SampledTokens {
  return t.sampleTokens(logits, settings, { starts: i(starts), ids: i(1), factors: f(edits), offsets: f(1) });
}

const refusals: { readonly [Name in OpName]: readonly Refusal[] } = {
  reshape: [[() => t.reshape(f(2, 3), [4]), ShapeError, /expected 6 elements as in \[2, 3\], received \[4\]/]],
  narrow: [[() => t.narrow(f(2, 3), 1, 2), ValueError, /expected rows within 0 to 2 of \[2, 3\], received 1 to 3/]],
  copy: [],
  concat: [
    [() => t.concat([]), ValueError, /received none/],
    [() => t.concat([f(2, 3), f(3, 3)]), ShapeError, /input 1 .* expected \[2, any\], received \[3, 3\]/],
    [() => t.concat([f(2), half(2)]), DTypeError, /inputs 0 and 1 differ in format: f32 and bf16/],
  ],
  concatRows: [
    [() => t.concatRows([]), ValueError, /received none/],
    [() => t.concatRows([f(2, 3), f(2, 4)]), ShapeError, /input 1 .* expected \[any, 3\], received \[2, 4\]/],
  ],
  split: [[() => t.split(f(2, 5), [2, 2]), ShapeError, /add up to the last dimension of \[2, 5\], received \[2, 2\]/]],
  permute: [[() => t.permute(f(2, 5), [0, 0]), ShapeError, /expected an order of the 2 axes .*, received \[0, 0\]/]],
  repeatRow: [[() => t.repeatRow(f(2, 5), 0), ValueError, /0 times \[2, 5\]/]],
  add: [[() => t.add(f(2), f(3)), ShapeError, /a and b differ in shape: \[2\] and \[3\]/]],
  sub: [[() => t.sub(f(2), half(2)), DTypeError, /a and b differ in format: f32 and bf16; cast one of them/]],
  mul: [[() => t.mul(i(2), i(2)), DTypeError, /a has the wrong format: expected f32 or bf16, received i32 \[2\]/]],
  scale: [[() => t.scale(i(2), 2), DTypeError, /x has the wrong format/]],
  addRow: [[() => t.addRow(f(2, 5), f(4)), ShapeError, /row has the wrong shape: expected \[5\], received \[4\]/]],
  scaleRows: [[() => t.scaleRows(f(2, 5), f(5)), ShapeError, /s has the wrong shape: expected \[2\], received \[5\]/]],
  silu: [[() => t.silu(i(2)), DTypeError, /x has the wrong format/]],
  sigmoid: [[() => t.sigmoid(half(2)), DTypeError, /expected f32, received bf16 \[2\]; convert it with cast/]],
  exp: [[() => t.exp(half(2)), DTypeError, /expected f32, received bf16/]],
  log: [[() => t.log(half(2)), DTypeError, /expected f32, received bf16/]],
  cast: [[() => t.cast(i(2), 'f32'), DTypeError, /expected f32 or bf16, received i32/]],
  sum: [[() => t.sum(i(2)), DTypeError, /expected f32 or bf16, received i32/]],
  mean: [[() => t.mean(i(2)), DTypeError, /expected f32 or bf16, received i32/]],
  rowSum: [[() => t.rowSum(half(2)), DTypeError, /expected f32, received bf16/]],
  argmax: [[() => t.argmax(f()), ShapeError, /0 dimensions: expected 1, received \[\]/]],
  rmsNorm: [
    [() => t.rmsNorm(f(2, 5), f(4), 1e-6), ShapeError, /gain has the wrong shape: expected \[5\], received \[4\]/],
    [() => t.rmsNorm(f(2, 5), half(5), 1e-6), DTypeError, /gain has the wrong format: expected f32, received bf16/],
  ],
  addRmsNorm: [[() => t.addRmsNorm(f(2, 5), f(5, 2), f(5), 1e-6), ShapeError, /x and delta differ in shape/]],
  rope: [
    [() => t.rope(f(2, 1, 4), i(3), table(2)), ShapeError, /positions has the wrong shape: expected \[2\]/],
    [() => t.rope(f(2, 1, 4), i(2), table(3)), ShapeError, /the table turns 6 elements of a head, x is \[2, 1, 4\]/],
  ],
  swiglu: [[() => t.swiglu(f(2, 5)), ShapeError, /expected x \[\.\., 2F\], received \[2, 5\]/]],
  embedding: [[() => t.embedding(f(2), f(4, 3)), DTypeError, /ids has the wrong format: expected i32, received f32/]],
  packedEmbedding: [
    [() => t.embedding(i(2), packed(5, 4)), ValueError, /bf16 \[5, 4\] has no rows of blocks; pass a tensor, or pack/],
  ],
  linear: [
    [() => t.linear(f(2, 3), f(5, 4)), ShapeError, wrongInner],
    [() => t.linear(f(2, 4), f(4)), ShapeError, /w has 1 dimensions: expected 2, received \[4\]/],
  ],
  groupedLinear: [
    [() => t.groupedLinear(f(2, 3), f(6, 5, 4), i(7)), ShapeError, wrongInner],
    [() => t.groupedLinear(f(2, 4), f(6, 5, 4), i(6)), ShapeError, /offsets .* expected \[7\], received \[6\]/],
  ],
  packedLinear: [
    [() => t.linear(f(2, 3), packed(5, 4)), ShapeError, /inner dimensions differ: x is \[2, 3\], w is bf16 \[5, 4\]/],
    [() => t.linear(f(2, 4), packed(6, 5, 4)), ShapeError, /expected a weight of 2 dimensions, .* use groupedLinear/],
  ],
  groupedPackedLinear: [
    [() => t.groupedLinear(f(2, 4), packed(5, 4), i(6)), ShapeError, /expected a weight of 3 dimensions/],
    [() => t.groupedLinear(f(2, 4), packed(6, 5, 4), i(6)), ShapeError, /offsets .* expected \[7\], received \[6\]/],
  ],
  attention: [
    [
      () => t.attention(f(2, 3, 4), f(2, 2, 4), f(2, 2, 4), { queryStart: i(2), maxQueries: 2 }),
      ShapeError,
      /query heads in whole groups, received q \[2, 3, 4\] and k \[2, 2, 4\]/,
    ],
    [
      () => t.attention(f(2, 2, 4), f(2, 2, 5), f(2, 2, 4), { queryStart: i(2), maxQueries: 2 }),
      ShapeError,
      /k has the wrong shape: expected \[any, any, 4\], received \[2, 2, 5\]/,
    ],
  ],
  router: [
    [() => t.router(f(2, 6), f(5), { numExpertsPerTok: 2 }), ShapeError, /bias .* expected \[6\], received \[5\]/],
    [() => t.router(f(2, 6), null, { numExpertsPerTok: 7 }), ValueError, /7 of 6 experts in 1 groups/],
  ],
  balanceLoss: [[() => t.balanceLoss(f(2, 6), i(3, 2), i(2), 1), ShapeError, /indices .* expected \[2, any\]/]],
  dispatchPlan: [[() => t.dispatchPlan(f(2, 2), 3), DTypeError, /indices .* expected i32, received f32/]],
  countExperts: [
    [() => t.countExperts(i(3, 2), f(4)), DTypeError, /counts has the wrong format: expected i32, received f32 \[4\]/],
  ],
  balanceBias: [
    [() => t.balanceBias(f(4), i(3), f(1)), ShapeError, /counts has the wrong shape: expected \[4\], received \[3\]/],
    [() => t.balanceBias(f(4), i(4), f()), ShapeError, /rate has the wrong shape: expected \[1\], received \[\]/],
  ],
  permuteRows: [
    [() => t.permuteRows(f(3, 4), plan()), ShapeError, /rowIndex .* expected \[3, any\], received \[2, 2\]/],
  ],
  unpermuteRows: [[() => t.unpermuteRows(f(4, 5), plan(), f(2, 3)), ShapeError, /weights .* expected \[2, 2\]/]],
  logprobs: [
    [() => t.logprobs(f(2, 3), f(7, 4), i(2)), ShapeError, /head has the wrong shape: expected \[any, 3\]/],
    [
      () => t.logprobs(f(2, 3), f(7, 3), i(3)),
      ShapeError,
      /targets has the wrong shape: expected \[2\], received \[3\]/,
    ],
  ],
  divergence: [
    [
      () => t.divergence({ x: f(2, 3), head: f(7, 3) }, { x: f(2, 4), head: f(8, 4) }, f(2), { direction: 'reverse' }),
      ShapeError,
      /x \[2, 3\] with 7 tokens of vocabulary does not fit teacherX \[2, 4\] with 8/,
    ],
  ],
  policyLoss: [
    [
      () => t.policyLoss(f(3), f(3), f(3), f(4), f(3), { clipLow: 0.2, clipHigh: 0.2, beta: 0 }),
      ShapeError,
      /advantage has the wrong shape: expected \[3\], received \[4\]/,
    ],
    [
      () => t.policyLoss(f(3), f(3), f(3), f(3), f(3), { clipLow: -1, clipHigh: 0.2, beta: 0 }),
      ValueError,
      /clipLow is -1/,
    ],
  ],
  differing: [
    [() => t.differing(i(3), i(4), f(3)), ShapeError, /b has the wrong shape: expected \[3\], received \[4\]/],
    [() => t.differing(i(3), f(3), f(3)), DTypeError, /b .*expected i32, received f32/],
  ],
  addEach: [
    [() => t.addEach([{ out: f(4), a: f(3), b: null }]), ShapeError, /a and out differ in shape: \[3\] and \[4\]/],
    [() => t.addEach([{ out: f(3), a: f(3), b: f(4) }]), ShapeError, /a and b differ in shape: \[3\] and \[4\]/],
    [() => t.addEach([{ out: f(3), a: i(3), b: null }]), DTypeError, /expected f32, received i32 \[3\]/],
  ],
  adamwStep: [
    [() => t.adamwStep([update(3, 4, 8)]), ShapeError, /weight and gradient differ in shape: \[3\] and \[4\]/],
    [() => t.adamwStep([update(3, 3, 7)]), ShapeError, /expected \[8\], received \[7\]; make it with adamwHyper/],
    [
      () => t.adamwStep([update(3, 3, 8), { ...update(3, 3, 8), m: half(3), v: half(3) }]),
      DTypeError,
      /a moment has the wrong format: expected f32, received bf16/,
    ],
  ],
  muonMomentum: [
    [() => t.muonMomentum(f(3), f(4), f(8), f()), ShapeError, /gradient and m differ in shape: \[3\] and \[4\]/],
    [() => t.muonMomentum(f(3), i(3), f(8), f()), DTypeError, /m has the wrong format/],
  ],
  muonUpdate: [
    [() => t.muonUpdate(f(3), f(4), f(8), f(), 1), ShapeError, /weight and direction differ in shape: \[3\] and \[4\]/],
    [
      () => t.muonUpdate(f(3), f(3), f(7), f(), 1),
      ShapeError,
      /expected \[8\], received \[7\]; make it with muonHyper/,
    ],
  ],
  gradientNorm: [[() => t.gradientNorm([half(2)], 1, f(8)), DTypeError, /a gradient .* expected f32, received bf16/]],
  quantizeTiles: [[() => t.quantizeTiles(i(2, 3)), DTypeError, /x has the wrong format/]],
  quantizeBlocks: [[() => t.quantizeBlocks(f(2, 3, 4)), ShapeError, /expected 2, received \[2, 3, 4\]/]],
  dequantizeTiles: [
    [
      () => t.dequantizeTiles({ codes: codes(2, 129), scales: f(2, 1) }),
      ShapeError,
      /scales has the wrong shape: expected \[2, 2\], received \[2, 1\]/,
    ],
  ],
  dequantizeBlocks: [
    [() => t.dequantizeBlocks({ codes: codes(200, 5), scales: f(1, 1) }), ShapeError, /expected \[2, 1\], received/],
  ],
  writeCache: [
    [() => t.writeCache(pool(), f(2, 5), i(2)), ShapeError, /rows has the wrong shape: expected \[any, 6\]/],
    [
      () => t.writeCache(pool(), f(2, 6), i(3)),
      ShapeError,
      /slots has the wrong shape: expected \[2\], received \[3\]/,
    ],
    [
      () => {
        const rows = f(2, 6);
        new t.Tape([rows]).run(() => t.writeCache(pool(), rows, i(2)));
      },
      ValueError,
      /an input needs a gradient, but this op has none; wrap it in noGrad/,
    ],
  ],
  writeLatentCache: [
    [
      () => t.writeLatentCache(pool(), f(2, 6), f(5), i(2), i(2), table(1), 1e-6),
      ShapeError,
      /gain has the wrong shape: expected \[4\], received \[5\]/,
    ],
  ],
  readCache: [
    [() => t.readCache(pool(), i(2, 3), i(2), 9), ShapeError, /starts .* expected \[3\], received \[2\]/],
    [() => t.readCache(pool(), i(2, 3), i(3), -1), ValueError, /-1 rows; pass a whole number/],
  ],
  writeHeads: [
    [() => t.writeHeads(heads(), f(2, 2, 4), f(2, 2, 4), i(2)), DTypeError, /keys has the wrong format: expected bf16/],
    [() => t.writeHeads(heads(), half(2, 2, 4), half(2, 2, 5), i(2)), ShapeError, /values .* expected \[2, 2, 4\]/],
  ],
  headAttention: [
    [() => attendHeads(f(2, 4, 4)), DTypeError, /q has the wrong format: expected bf16, received f32/],
    [() => attendHeads(half(2, 3, 4)), ShapeError, /query heads in whole groups, .* 2 key heads; use a multiple/],
    [() => attendHeads(half(2, 4, 5)), ShapeError, /q has the wrong shape: expected \[any, any, 4\]/],
  ],
  pagedAttention: [
    [() => attendPaged(f(2, 3, 6), { keyHeads: 2 }), ShapeError, /query heads in whole groups, .* 2 key heads/],
    [() => attendPaged(f(2, 3, 7), {}), ShapeError, /keys end at 7 and values at 4 of records of width 6/],
    [() => attendPaged(f(2, 3, 6), { valueOffset: 3 }), ShapeError, /values at 7 of records of width 6/],
    [
      () => attendPaged(f(2, 3, 6), { valueWidth: 6 }, pool('fp8')),
      ShapeError,
      /fp8 records have 4 codes in tiles of 128, received keys of 6 from 0 on and values of 6 from 0 on; make a pool/,
    ],
    [
      () => {
        const q = f(2, 3, 6);
        new t.Tape([q]).run(() => attendPaged(q, {}));
      },
      ValueError,
      /an input needs a gradient, but this op has none/,
    ],
  ],
  sampleTokens: [
    [() => sample(half(2, 3), f(2, 5)), DTypeError, /logits has the wrong format: expected f32, received bf16/],
    [() => sample(f(2, 0), f(2, 5)), ValueError, /logits \[2, 0\] have no tokens; pass at least one column/],
    [
      () => sample(f(2, 3), f(2, 4)),
      ShapeError,
      /settings .* expected \[2, 5\], received \[2, 4\]; a row: temperature, topK, topP, minP, draw/,
    ],
    [() => sample(f(2, 3), f(2, 5), 2), ShapeError, /starts .* expected \[3\], received \[2\]/],
    [() => sample(f(2, 3), f(2, 5), 3, 2), ShapeError, /factors .* expected \[1\], received \[2\]/],
    [
      () => {
        const logits = f(2, 3);
        new t.Tape([logits]).run(() => sample(logits, f(2, 5)));
      },
      ValueError,
      /an input needs a gradient, but this op has none/,
    ],
  ],
  topLogprobs: [
    [() => t.topLogprobs(f(2, 30), 21), ValueError, /21 of 30 tokens; ask for 1 to 20/],
    [() => t.topLogprobs(f(2, 3), 4), ValueError, /4 of 3 tokens; ask for 1 to 3/],
    [() => t.topLogprobs(f(3), 1), ShapeError, /logits has 1 dimensions: expected 2/],
  ],
  targetLogprobs: [
    [() => t.targetLogprobs(f(2, 3), i(3)), ShapeError, /targets .* expected \[2\], received \[3\]/],
    [() => t.targetLogprobs(f(2, 3), f(2)), DTypeError, /targets has the wrong format: expected i32/],
  ],
};

for (const name of opNames)
  for (const [n, [call, kind, message]] of refusals[name].entries())
    test(`${name} refuses ${n}`, () => {
      const before = device.liveBytes;
      t.scope(() =>
        assert.throws(call, (error) => {
          assert.ok(error instanceof kind, `${error} is no ${kind.name}`);
          assert.equal(error.op, name);
          assert.match(error.message, message);
          return true;
        }),
      );
      assert.equal(device.liveBytes, before);
    });

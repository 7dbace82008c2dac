// From logits to tokens: draws, best tokens, log-probabilities of given ones. No gradients; all that varies is data.
import { ValueError } from '../../kernels/index.ts';
import { apply, type Op, type Rows, saveNothing } from '../op.ts';
import { expectDType, expectRank, expectShape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';

/** Numbers of a row of settings: temperature, top-k (0: all), top-p, min-p, draw in [0, 1). */
export const drawSettings = 5;

/** Changes to logits before a draw: l' = (l > 0 ? l / scale : l * scale) + add. */
export interface LogitEditTensors {
  /** [R + 1] i32: row r has edits starts[r] to starts[r + 1] */
  readonly starts: Tensor;
  /** [M] i32 */
  readonly ids: Tensor;
  /** [M] f32 */
  readonly scales: Tensor;
  /** [M] f32; infinities force or forbid a token */
  readonly adds: Tensor;
}

interface SampleTokens extends Op {
  readonly inputs: readonly [
    logits: Tensor,
    settings: Tensor,
    starts: Tensor,
    ids: Tensor,
    scales: Tensor,
    adds: Tensor,
  ];
  readonly params: null;
  readonly outputs: readonly [tokens: Tensor, logprobs: Tensor];
}

interface TopLogprobs extends Op {
  readonly inputs: readonly [logits: Tensor];
  readonly params: number;
  readonly outputs: readonly [ids: Tensor, logprobs: Tensor];
}

interface TargetLogprobs extends Op {
  readonly inputs: readonly [logits: Tensor, targets: Tensor];
  readonly params: null;
  readonly outputs: readonly [Tensor];
}

export interface SamplingOps {
  sampleTokens: SampleTokens;
  topLogprobs: TopLogprobs;
  targetLogprobs: TargetLogprobs;
}

function expectLogits(logits: Tensor, op: string): [R: number, V: number] {
  expectDType(logits, 'f32', op, 'logits');
  expectRank(logits, 2, op, 'logits');
  const [R, V] = logits.shape as [number, number];
  if (V === 0) throw new ValueError(op, 'the vocabulary is empty', 'pass logits [R, V] with V of 1 or more');
  return [R, V];
}

export const samplers: Rows<SamplingOps> = {
  sampleTokens: {
    name: 'sampleTokens',
    shape: ([logits, settings, starts, ids, scales, adds]) => {
      const [R] = expectLogits(logits, 'sampleTokens');
      expectDType(settings, 'f32', 'sampleTokens', 'settings');
      expectShape(settings, [R, drawSettings], 'sampleTokens', 'settings');
      expectDType(starts, 'i32', 'sampleTokens', 'starts');
      expectShape(starts, [R + 1], 'sampleTokens', 'starts');
      expectDType(ids, 'i32', 'sampleTokens', 'ids');
      expectRank(ids, 1, 'sampleTokens', 'ids');
      for (const [x, name] of [
        [scales, 'scales'],
        [adds, 'adds'],
      ] as const) {
        expectDType(x, 'f32', 'sampleTokens', name);
        expectShape(x, ids.shape, 'sampleTokens', name);
      }
      return [
        { shape: [R], dtype: 'i32' },
        { shape: [R], dtype: 'f32' },
      ];
    },
    forward: (device, inputs, [tokens, logprobs]) => {
      const [logits, , , ids] = inputs;
      const [R, V] = logits.shape as [number, number];
      const work = device.alloc(12 * R * V, 'sampleTokens');
      const addresses = [...inputs.map((x) => x.address), work.address, tokens.address, logprobs.address];
      device.encode(device.kernel('sample_tokens'), ...addresses, R, V, ids.size);
      work.free();
    },
    save: saveNothing,
    vjp: null,
  },

  topLogprobs: {
    name: 'topLogprobs',
    shape: ([logits], n) => {
      const [R, V] = expectLogits(logits, 'topLogprobs');
      if (!(Number.isInteger(n) && n > 0 && n <= V))
        throw new ValueError('topLogprobs', `${n} of ${V} tokens`, 'ask for 1 or more, at most all');
      return [
        { shape: [R, n], dtype: 'i32' },
        { shape: [R, n], dtype: 'f32' },
      ];
    },
    forward: (device, [logits], [ids, logprobs], n) => {
      const [R, V] = logits.shape as [number, number];
      const kernel = device.kernel('top_logprobs');
      device.encode(kernel, logits.address, ids.address, logprobs.address, R, V, n);
    },
    save: saveNothing,
    vjp: null,
  },

  targetLogprobs: {
    name: 'targetLogprobs',
    shape: ([logits, targets]) => {
      const [R] = expectLogits(logits, 'targetLogprobs');
      expectDType(targets, 'i32', 'targetLogprobs', 'targets');
      expectShape(targets, [R], 'targetLogprobs', 'targets');
      return [{ shape: [R], dtype: 'f32' }];
    },
    forward: (device, [logits, targets], [out]) => {
      const [R, V] = logits.shape as [number, number];
      device.encode(device.kernel('target_logprobs'), logits.address, targets.address, out.address, R, V);
    },
    save: saveNothing,
    vjp: null,
  },
};

/**
 * Draws the next token of each row of logits [R, V] f32: settings [R, 5] f32 (temperature, 0 for the largest logit;
 * top-k; top-p; min-p; draw). Log-probabilities are of the logits before edits and temperature.
 */
export function sampleTokens(
  logits: Tensor,
  settings: Tensor,
  { starts, ids, scales, adds }: LogitEditTensors,
): { tokens: Tensor; logprobs: Tensor } {
  const [tokens, logprobs] = apply(samplers.sampleTokens, [logits, settings, starts, ids, scales, adds], null);
  return { tokens, logprobs };
}

/** The n most probable tokens of each row of logits [R, V] f32, best first, equal ones by id: [R, n] each. */
export function topLogprobs(logits: Tensor, n: number): { ids: Tensor; logprobs: Tensor } {
  const [ids, logprobs] = apply(samplers.topLogprobs, [logits], n);
  return { ids, logprobs };
}

/** Log-probabilities [R] of targets [R] i32 under logits [R, V] f32. */
export function targetLogprobs(logits: Tensor, targets: Tensor): Tensor {
  return apply(samplers.targetLogprobs, [logits, targets], null)[0];
}

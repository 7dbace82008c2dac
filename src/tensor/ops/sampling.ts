// Ops from logits to tokens and log-probabilities, for inference: none has a gradient. Values that differ between
// requests are tensors, so that a recorded step serves any of them. kernels/reference/sampling.ts defines them.
import { type Buffer, type Device, maxListed, samplingWorkspaceBytes, ValueError } from '../../kernels/index.ts';
import { apply, type Op, type OpRows, saveNothing } from '../op.ts';
import { expectDType, expectRank, expectTensor } from '../shape.ts';
import { empty, type Tensor } from '../tensor.ts';

type SampleTokens = Op<
  readonly [
    logits: Tensor,
    settings: Tensor,
    starts: Tensor,
    ids: Tensor,
    factors: Tensor,
    offsets: Tensor,
    banned: Tensor,
    maskRows: Tensor,
    masks: Tensor,
  ],
  null,
  readonly [tokens: Tensor, logprobs: Tensor]
>;

type TopLogprobs = Op<readonly [logits: Tensor], number, readonly [ids: Tensor, logprobs: Tensor]>;

type TargetLogprobs = Op<readonly [logits: Tensor, targets: Tensor], null, readonly [Tensor]>;

export interface SamplingOps {
  sampleTokens: SampleTokens;
  topLogprobs: TopLogprobs;
  targetLogprobs: TargetLogprobs;
}

/** No i32 has this value: every target counts. */
const noTarget = -(2 ** 40);

function expectLogits(logits: Tensor, op: string): [R: number, V: number] {
  expectDType(logits, 'f32', op, 'logits');
  expectRank(logits, 2, op, 'logits');
  const [R, V] = logits.shape as [number, number];
  if (V === 0) throw new ValueError(op, `logits [${R}, 0] have no tokens`, 'pass at least one column');
  return [R, V];
}

/** Calls `body` with a workspace for logits, or with null where none is needed. */
function withWorkspace(device: Device, logits: Tensor, op: string, body: (workspace: Buffer | null) => void): void {
  const [R, V] = logits.shape as [number, number];
  const bytes = samplingWorkspaceBytes(R, V);
  const workspace = bytes > 0 ? device.alloc(bytes, op) : null;
  body(workspace);
  workspace?.free();
}

export const samplers: OpRows<SamplingOps> = {
  sampleTokens: {
    name: 'sampleTokens',
    shape: ([logits, settings, starts, ids, factors, offsets, banned, maskRows, masks]) => {
      const [R, V] = expectLogits(logits, 'sampleTokens');
      expectTensor(settings, 'f32', [R, 5], 'sampleTokens', 'settings', 'a row: temperature, topK, topP, minP, draw');
      expectTensor(starts, 'i32', [R + 1], 'sampleTokens', 'starts');
      expectDType(ids, 'i32', 'sampleTokens', 'ids');
      expectRank(ids, 1, 'sampleTokens', 'ids');
      for (const [name, edits] of Object.entries({ factors, offsets })) {
        expectTensor(edits, 'f32', ids.shape, 'sampleTokens', name);
      }
      expectDType(banned, 'i32', 'sampleTokens', 'banned');
      expectRank(banned, 1, 'sampleTokens', 'banned');
      expectTensor(maskRows, 'i32', [R], 'sampleTokens', 'maskRows');
      expectTensor(masks, 'i32', [masks.shape[0] ?? 0, Math.ceil(V / 32)], 'sampleTokens', 'masks');
      return [
        { shape: [R], dtype: 'i32' },
        { shape: [R], dtype: 'f32' },
      ];
    },
    forward: (
      device,
      [logits, settings, starts, ids, factors, offsets, banned, maskRows, masks],
      [tokens, logprobs],
    ) => {
      const [R, V] = logits.shape as [number, number];
      withWorkspace(device, logits, 'sampleTokens', (workspace) => {
        const edits = { starts, ids, factors, offsets, banned, maskRows, masks };
        const sizes = { R, V, M: ids.size, N: banned.size, K: masks.shape[0] as number };
        device.run('sample_tokens', { logits, settings, ...edits, ...sizes, workspace, tokens, logprobs });
      });
    },
    save: saveNothing,
    vjp: null,
  },

  topLogprobs: {
    name: 'topLogprobs',
    shape: ([logits], n) => {
      const [R, V] = expectLogits(logits, 'topLogprobs');
      const max = Math.min(V, maxListed);
      if (!(Number.isInteger(n) && n >= 1 && n <= max))
        throw new ValueError('topLogprobs', `${n} of ${V} tokens`, `ask for 1 to ${max}`);
      return [
        { shape: [R, n], dtype: 'i32' },
        { shape: [R, n], dtype: 'f32' },
      ];
    },
    forward: (device, [logits], [ids, logprobs], n) => {
      const [R, V] = logits.shape as [number, number];
      withWorkspace(device, logits, 'topLogprobs', (workspace) =>
        device.run('top_logprobs', { logits, workspace, ids, logprobs, R, V, count: n }),
      );
    },
    save: saveNothing,
    vjp: null,
  },

  targetLogprobs: {
    name: 'targetLogprobs',
    shape: ([logits, targets]) => {
      const [R] = expectLogits(logits, 'targetLogprobs');
      expectTensor(targets, 'i32', [R], 'targetLogprobs', 'targets');
      return [{ shape: [R], dtype: 'f32' }];
    },
    forward: (device, [logits, targets], [logprobs]) => {
      const [R, V] = logits.shape as [number, number];
      const lse = empty([R], 'f32', device, 'targetLogprobs');
      const sizes = { rows: R, V, ignore: noTarget };
      device.run('cross_entropy_f32', { logits, targets, logprob: logprobs, lse, entropy: null, ...sizes });
      lse.dispose();
    },
    save: saveNothing,
    vjp: null,
  },
};

/** Changes of single logits before a draw: penalties and biases. Several edits of one id apply in order. */
export interface LogitAdjustments {
  /** [R + 1] i32: row r has edits starts[r] to starts[r + 1]. */
  readonly starts: Tensor;
  /** [M] i32, M >= 1; entries after the last start are not read. */
  readonly ids: Tensor;
  /** [M] f32: a repetition penalty divides positive logits and multiplies the others; 1 for none. */
  readonly factors: Tensor;
  /** [M] f32, added after that: presence and frequency penalties, bias; -Infinity bans a token, Infinity forces it. */
  readonly offsets: Tensor;
  /** [N] i32: ids that no row may have. @default none */
  readonly banned?: Tensor | undefined;
}

/** The tokens that rows may have: token i is allowed by bit i % 32 of word i / 32, rounded down. */
export interface TokenMasks {
  /** [R] i32: the mask of each row; -1: none. */
  readonly rows: Tensor;
  /** [K, V / 32 rounded up] i32 */
  readonly words: Tensor;
}

/** [R] i32, and [R] f32 of the raw logits: before edits and temperature. */
export interface SampledTokens {
  readonly tokens: Tensor;
  readonly logprobs: Tensor;
}

/**
 * One token for each row of logits [R, V] f32. settings [R, 5] f32: temperature (0: the largest edited logit), topK (0:
 * all), topP (1: all), minP (0: none), draw in [0, 1). Cuts act in this order, top-p on what top-k left; equals go by
 * lowest id. A row's bits do not depend on the others. The next read reports NaN, by row. masks: @default none
 */
export function sampleTokens(
  logits: Tensor,
  settings: Tensor,
  edits: LogitAdjustments,
  masks?: TokenMasks,
): SampledTokens {
  const [R, V] = expectLogits(logits, 'sampleTokens');
  const none = (shape: readonly number[]) => empty(shape, 'i32', logits.device, 'sampleTokens');
  const { starts, ids, factors, offsets, banned = none([0]) } = edits;
  const { rows, words } = masks ?? { rows: none([R]), words: none([0, Math.ceil(V / 32)]) };
  const inputs = [logits, settings, starts, ids, factors, offsets, banned, rows, words] as const;
  const [tokens, logprobs] = apply(samplers.sampleTokens, inputs, null);
  return { tokens, logprobs };
}

/**
 * The n (at most 20) likeliest tokens of each row of logits [R, V] f32: [R, n], best first, the lowest id first among
 * equals.
 */
export function topLogprobs(logits: Tensor, n: number): { readonly ids: Tensor; readonly logprobs: Tensor } {
  const [ids, logprobs] = apply(samplers.topLogprobs, [logits], n);
  return { ids, logprobs };
}

/** Log-probabilities of targets [R] i32 in logits [R, V] f32, with the bits of `logprobs` and of sampleTokens: [R]. */
export function targetLogprobs(logits: Tensor, targets: Tensor): Tensor {
  return apply(samplers.targetLogprobs, [logits, targets], null)[0];
}

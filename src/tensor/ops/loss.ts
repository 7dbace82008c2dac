// Log-probabilities of given tokens from the last hidden states: head and cross-entropy in one op.
//
// Logits exist for one chunk of tokens at a time, so that no [T, V] tensor exists in either direction: the forward pass
// keeps a log-sum-exp a token, backward computes the chunk's logits again. The chunk is a constant, so the order of
// every sum is too. The entropy is a metric: it has no gradient. Left out: FP8 heads (the recipe keeps the head high).
import { type Device, dtypeBytes, dtypeCode, ValueError } from '../../kernels/index.ts';
import { apply, type Op, type OpRows } from '../op.ts';
import { expectDType, expectFloat, expectRank, expectShape } from '../shape.ts';
import { empty, emptyLike, type Tensor } from '../tensor.ts';
import { scale } from './elementwise.ts';
import { gemm, type Matrix } from './linear.ts';
import { sum } from './reduction.ts';

/**
 * Tokens whose logits exist at the same time: as many as fit into 4 MB, which stays in cache, but at least 128 to keep
 * the GEMM at speed (66 MB for a vocabulary of 129280). A function of the vocabulary alone, so that sums keep their
 * order.
 */
export function chunkTokens(V: number): number {
  return Math.max(128, 128 * Math.floor(2 ** 20 / V / 128));
}

/** The target of a token without one: log-probability 0, no gradient. */
export const ignoreIndex = -100;

interface LogprobsParams {
  readonly precision: 'f32' | 'bf16';
  /** Logits are divided by it; at 1 they keep their bits. */
  readonly temperature: number;
  readonly ignoreIndex: number;
  /** Whether the most probable token of each row is found. */
  readonly findsBest: boolean;
}

type Logprobs = Op<
  readonly [x: Tensor, head: Tensor, targets: Tensor],
  LogprobsParams,
  readonly [logprobs: Tensor, lse: Tensor, entropy: Tensor, best: Tensor]
>;

export interface LossOps {
  logprobs: Logprobs;
}

interface Chunk {
  readonly start: number;
  readonly rows: number;
  /** x of the chunk, as a GEMM takes it. */
  readonly x: Matrix;
  readonly logits: Matrix;
}

/** Divides logits, or gradients by logits, by the temperature. */
export function divideByTemperature(device: Device, logits: Matrix, n: number, temperature: number): void {
  if (temperature !== 1) device.run('scale_f32', { x: logits, out: logits, n, s: 1 / temperature });
}

/** Calls `body` for each chunk, with its logits queued. */
function forChunks(
  device: Device,
  [x, head]: Logprobs['inputs'],
  { precision, temperature }: LogprobsParams,
  body: (chunk: Chunk) => void,
): void {
  const [T, D] = x.shape as [number, number];
  const V = head.shape[0];
  const chunk = chunkTokens(V);
  const room = device.alloc(4 * V * Math.min(T, chunk), 'logprobs');
  const logits: Matrix = { address: room.address, dtype: 'f32' };
  for (let start = 0; start < T; start += chunk) {
    const rows = Math.min(chunk, T - start);
    const part = { address: x.address + start * D * dtypeBytes[x.dtype], dtype: x.dtype };
    gemm(device, `gemm_nt_${precision}`, [part, head, logits], [rows, V, D]);
    divideByTemperature(device, logits, rows * V, temperature);
    body({ start, rows, x: part, logits });
  }
  room.free();
}

export const losses: OpRows<LossOps> = {
  logprobs: {
    name: 'logprobs',
    shape: ([x, head, targets], { temperature }) => {
      if (!(temperature > 0))
        throw new ValueError('logprobs', `temperature is ${temperature}`, 'pass a number above 0');
      expectFloat(x, 'logprobs', 'x');
      expectRank(x, 2, 'logprobs', 'x');
      expectFloat(head, 'logprobs', 'head');
      expectShape(head, [-1, x.shape[1]], 'logprobs', 'head');
      expectDType(targets, 'i32', 'logprobs', 'targets');
      const T = x.shape[0];
      expectShape(targets, [T], 'logprobs', 'targets');
      const each = { shape: [T], dtype: 'f32' } as const;
      return [each, each, each, { shape: [T], dtype: 'i32' }];
    },
    forward: (device, inputs, [logprobs, lse, entropy, best], params) => {
      const [, head, targets] = inputs;
      const V = head.shape[0];
      forChunks(device, inputs, params, ({ start, rows, logits }) => {
        device.run('cross_entropy_f32', {
          logits,
          targets: targets.address + 4 * start,
          logprob: logprobs.address + 4 * start,
          lse: lse.address + 4 * start,
          entropy: entropy.address + 4 * start,
          rows,
          V,
          ignore: params.ignoreIndex,
        });
        if (!params.findsBest) return;
        const out = best.address + 4 * start;
        device.run('row_argmax', { x: logits, out, rows, cols: V, x_ld: V, x_type: dtypeCode.f32 });
      });
    },
    save: (inputs, [, lse]) => [...inputs, lse],
    vjp: ({ device, inputs, outputs: [, lse], params, gradients: [grad, , dentropy], needs }) => {
      if (dentropy)
        throw new ValueError('logprobs', 'the entropy has no gradient', 'use it as a metric only, outside of the loss');
      const [x, head, targets] = inputs;
      const [D, V] = [x.shape[1], head.shape[0]];
      const dx = needs[0] && emptyLike(x);
      const dhead = needs[1] && empty(head.shape, head.dtype, device);
      const width = dtypeBytes[x.dtype];
      const { precision, temperature } = params;
      // The products round to bf16 anyway: written so, they read half the bytes, twice.
      const isHalf = precision === 'bf16' && temperature === 1;
      const half = isHalf ? device.alloc(2 * V * Math.min(x.shape[0], chunkTokens(V)), 'logprobs') : null;
      forChunks(device, inputs, params, (chunk) => {
        const { start, rows, logits } = chunk;
        const dlogits: Matrix = half ? { address: half.address, dtype: 'bf16' } : logits;
        device.run('cross_entropy_backward_f32', {
          logits,
          targets: targets.address + 4 * start,
          lse: lse.address + 4 * start,
          grad: (grad as Tensor).address + 4 * start,
          dlogits,
          dlogits_type: dtypeCode[dlogits.dtype],
          rows,
          V,
          ignore: params.ignoreIndex,
        });
        divideByTemperature(device, dlogits, rows * V, temperature);
        if (dx) {
          const part = { address: dx.address + start * D * width, dtype: x.dtype };
          gemm(device, `gemm_nn_${precision}`, [dlogits, head, part], [rows, D, V]);
        }
        if (dhead) gemm(device, `gemm_tn_${precision}`, [dlogits, chunk.x, dhead], [V, D, rows], start > 0);
      });
      half?.free();
      return [dx, dhead, null];
    },
  },
};

export interface LogprobsOptions {
  readonly precision?: 'f32' | 'bf16';
  readonly ignoreIndex?: number;
  readonly temperature?: number;
}

/**
 * Log-probability of each token's target, and the entropy of its distribution in nats (a metric, no gradient):
 * x [T, D] and head [V, D] f32 or bf16, targets [T] i32, to [T] f32 each. Targets of `ignoreIndex` are skipped.
 * Targets outside 0 to V - 1 are reported by the next read. The distribution is softmax(logits / temperature).
 * @default temperature: 1
 */
export function logprobs(
  x: Tensor,
  head: Tensor,
  targets: Tensor,
  options: LogprobsOptions = {},
): { logprobs: Tensor; entropy: Tensor } {
  const { best, ...found } = logprobsWithBest(x, head, targets, options, false);
  best.dispose();
  return found;
}

/** The same with the most probable token of each row: best [T] i32, no gradient. */
export function bestAndLogprobs(x: Tensor, head: Tensor, targets: Tensor, options: LogprobsOptions = {}) {
  return logprobsWithBest(x, head, targets, options, true);
}

function logprobsWithBest(x: Tensor, head: Tensor, targets: Tensor, options: LogprobsOptions, findsBest: boolean) {
  const { precision = 'f32', temperature = 1, ignoreIndex: ignored = ignoreIndex } = options;
  const params = { precision, temperature, ignoreIndex: ignored, findsBest };
  const [logprobs, lse, entropy, best] = apply(losses.logprobs, [x, head, targets], params);
  lse.dispose();
  return { logprobs, entropy, best };
}

/**
 * Mean negative log-probability of the targets, in nats: []. `count` is the number of targets that are not ignored,
 * which only the caller knows. @default count: all tokens
 */
export function crossEntropy(
  x: Tensor,
  head: Tensor,
  targets: Tensor,
  options: { precision?: 'f32' | 'bf16'; ignoreIndex?: number; count?: number } = {},
): Tensor {
  const { logprobs: values, entropy } = logprobs(x, head, targets, options);
  entropy.dispose();
  return scale(sum(values), -1 / (options.count ?? targets.size));
}

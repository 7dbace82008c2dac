// The Kullback-Leibler divergence between a student and a teacher over the whole vocabulary, from their last hidden
// states: both heads and the divergence in one op.
//
// Logits of both exist for one chunk of tokens at a time (loss.ts). The teacher gets no gradient. Reverse, D(student ||
// teacher), makes the student keep to what the teacher might say: on-policy distillation (GKD, arXiv 2306.13649).
// Forward, D(teacher || student), makes it cover all of that: distillation on given texts.
import { type Device, dtypeBytes, ShapeError, ValueError } from '../../kernels/index.ts';
import { apply, type Op, type OpRows } from '../op.ts';
import { expectFloat, expectRank, expectShape, expectTensor, formatShape } from '../shape.ts';
import { empty, emptyLike, type Tensor } from '../tensor.ts';
import { gemm, type Matrix } from './linear.ts';
import { chunkTokens, divideByTemperature } from './loss.ts';

interface DivergenceParams {
  readonly direction: 'forward' | 'reverse';
  readonly precision: 'f32' | 'bf16';
  readonly temperature: number;
}

type Divergence = Op<
  readonly [x: Tensor, head: Tensor, teacherX: Tensor, teacherHead: Tensor, weight: Tensor],
  DivergenceParams,
  readonly [kl: Tensor, lse: Tensor, teacherLse: Tensor]
>;

export interface DivergenceOps {
  divergence: Divergence;
}

interface Chunk {
  readonly start: number;
  readonly rows: number;
  readonly x: Matrix;
  readonly student: Matrix;
  readonly teacher: Matrix;
}

const partFrom = (x: Tensor, start: number): Matrix => ({
  address: x.address + start * x.shape[1] * dtypeBytes[x.dtype],
  dtype: x.dtype,
});

/** Calls `body` for each chunk, with the logits of both models queued. */
function forChunks(
  device: Device,
  [x, head, teacherX, teacherHead]: Divergence['inputs'],
  { precision, temperature }: DivergenceParams,
  body: (chunk: Chunk) => void,
): void {
  const [T, V] = [x.shape[0], head.shape[0]];
  const chunk = chunkTokens(2 * V);
  const size = V * Math.min(T, chunk);
  const room = device.alloc(2 * 4 * size, 'divergence');
  const [student, teacher] = [0, size].map((at): Matrix => ({ address: room.address + 4 * at, dtype: 'f32' }));
  for (let start = 0; start < T; start += chunk) {
    const rows = Math.min(chunk, T - start);
    const part = partFrom(x, start);
    gemm(device, `gemm_nt_${precision}`, [part, head, student], [rows, V, x.shape[1]]);
    gemm(
      device,
      `gemm_nt_${precision}`,
      [partFrom(teacherX, start), teacherHead, teacher],
      [rows, V, teacherX.shape[1]],
    );
    for (const logits of [student, teacher]) divideByTemperature(device, logits, rows * V, temperature);
    body({ start, rows, x: part, student, teacher });
  }
  room.free();
}

/** What both directions of a chunk read and write. */
function kernelArguments(
  [, head, , , weight]: Divergence['inputs'],
  outputs: Divergence['outputs'],
  { direction }: DivergenceParams,
  { start, rows, student, teacher }: Chunk,
) {
  const [kl, lse, teacherLse] = outputs.map(({ address }) => address + 4 * start);
  const each = { weight: weight.address + 4 * start, kl, student_lse: lse, teacher_lse: teacherLse };
  return { student, teacher, ...each, rows, V: head.shape[0], reverse: direction === 'reverse' ? 1 : 0 };
}

function checkModel([x, head]: readonly [Tensor, Tensor], name: string): void {
  expectFloat(x, 'divergence', name);
  expectRank(x, 2, 'divergence', name);
  expectFloat(head, 'divergence', `the head of ${name}`);
  expectShape(head, [-1, x.shape[1]], 'divergence', `the head of ${name}`);
}

export const divergences: OpRows<DivergenceOps> = {
  divergence: {
    name: 'divergence',
    shape: ([x, head, teacherX, teacherHead, weight], { temperature }) => {
      if (!(temperature > 0))
        throw new ValueError('divergence', `temperature is ${temperature}`, 'pass a number above 0');
      checkModel([x, head], 'x');
      checkModel([teacherX, teacherHead], 'teacherX');
      if (head.shape[0] !== teacherHead.shape[0] || x.shape[0] !== teacherX.shape[0])
        throw new ShapeError(
          'divergence',
          `x ${formatShape(x.shape)} with ${head.shape[0]} tokens of vocabulary does not fit teacherX ` +
            `${formatShape(teacherX.shape)} with ${teacherHead.shape[0]}`,
          'take models with the same vocabulary, over the same tokens',
        );
      expectTensor(weight, 'f32', [x.shape[0]], 'divergence', 'weight');
      const each = { shape: [x.shape[0]], dtype: 'f32' } as const;
      return [each, each, each];
    },
    forward: (device, inputs, outputs, params) => {
      forChunks(device, inputs, params, (chunk) => {
        device.run('kl_divergence_f32', kernelArguments(inputs, outputs, params, chunk));
      });
    },
    save: (inputs, outputs) => [...inputs, ...outputs],
    vjp: ({ device, inputs, outputs, params, gradients: [grad], needs }) => {
      const [x, head] = inputs;
      const { precision, temperature } = params;
      const [D, V] = [x.shape[1], head.shape[0]];
      const dx = needs[0] && emptyLike(x);
      const dhead = needs[1] && empty(head.shape, head.dtype, device);
      forChunks(device, inputs, params, (chunk) => {
        const { start, rows, x: part, student } = chunk;
        device.run('kl_divergence_backward_f32', {
          ...kernelArguments(inputs, outputs, params, chunk),
          grad: (grad as Tensor).address + 4 * start,
          dlogits: student,
        });
        divideByTemperature(device, student, rows * V, temperature);
        if (dx) gemm(device, `gemm_nn_${precision}`, [student, head, partFrom(dx, start)], [rows, D, V]);
        if (dhead) gemm(device, `gemm_tn_${precision}`, [student, part, dhead], [V, D, rows], start > 0);
      });
      return [dx, dhead, null, null, null];
    },
  },
};

/**
 * The divergence of each token's distribution, in nats, to [T] f32: hidden states x [T, D] and teacherX [T, E] with
 * heads [V, D] and [V, E], f32 or bf16; weight [T] f32. Tokens of weight 0 are skipped: their divergence is 0.
 * Distributions are softmax(logits / temperature). Gradients go to x and head alone.
 * @default temperature: 1
 */
export function divergence(
  student: { readonly x: Tensor; readonly head: Tensor },
  teacher: { readonly x: Tensor; readonly head: Tensor },
  weight: Tensor,
  options: { direction: 'forward' | 'reverse'; precision?: 'f32' | 'bf16'; temperature?: number },
): Tensor {
  const { direction, precision = 'f32', temperature = 1 } = options;
  const inputs = [student.x, student.head, teacher.x, teacher.head, weight] as const;
  const [kl, lse, teacherLse] = apply(divergences.divergence, inputs, { direction, precision, temperature });
  for (const tensor of [lse, teacherLse]) tensor.dispose();
  return kl;
}

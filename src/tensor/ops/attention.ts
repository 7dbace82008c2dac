// Causal attention over packed sequences, heads grouped, keys and values of different widths.
import { type Device, ShapeError } from '../../kernels/index.ts';
import { full } from '../create.ts';
import { apply, type Op, type OpRows } from '../op.ts';
import {
  expectDType,
  expectFloat,
  expectRank,
  expectSameDType,
  expectShape,
  expectTensor,
  formatShape,
} from '../shape.ts';
import { empty, type Tensor } from '../tensor.ts';

/** Where sequences (packed documents, or the requests of a batch) begin and end. All i32. */
export interface Sequences {
  /** [B + 1]: sequence b owns queries queryStart[b] to queryStart[b + 1] */
  readonly queryStart: Tensor;
  /** [B + 1], of the keys. @default queryStart */
  readonly keyStart?: Tensor;
  /** [B]: how many of its keys stand before a sequence's first query. @default none */
  readonly firstPosition?: Tensor;
  /** No sequence has more queries. */
  readonly maxQueries: number;
}

interface AttentionParams {
  readonly maxQueries: number;
  readonly scale: number;
  readonly causal: boolean;
  /** null: none */
  readonly window: number | null;
}

type Attention = Op<
  readonly [q: Tensor, k: Tensor, v: Tensor, queryStart: Tensor, keyStart: Tensor, firstPosition: Tensor | null],
  AttentionParams,
  readonly [out: Tensor, lse: Tensor]
>;

export interface AttentionOps {
  attention: Attention;
}

type Inputs = Attention['inputs'];

function checkShapes([q, k, v, queryStart, keyStart, firstPosition]: Inputs): void {
  for (const [x, name] of [
    [q, 'q'],
    [k, 'k'],
    [v, 'v'],
  ] as const) {
    expectFloat(x, 'attention', name);
    expectSameDType(q, x, 'attention', `q and ${name}`);
    expectRank(x, 3, 'attention', name);
  }
  const [, Hq, Dk] = q.shape as [number, number, number];
  const [S, Hkv] = k.shape as [number, number, number];
  expectShape(k, [-1, -1, Dk], 'attention', 'k');
  expectShape(v, [S, Hkv, -1], 'attention', 'v');
  if (Hkv === 0 || Hq % Hkv !== 0)
    throw new ShapeError(
      'attention',
      `expected query heads in whole groups, received q ${formatShape(q.shape)} and k ${formatShape(k.shape)}`,
      'use a multiple of the key heads',
    );
  const B = queryStart.size - 1;
  expectDType(queryStart, 'i32', 'attention', 'queryStart');
  expectTensor(keyStart, 'i32', [B + 1], 'attention', 'keyStart');
  if (firstPosition) {
    expectTensor(firstPosition, 'i32', [B], 'attention', 'firstPosition');
  }
}

/** The arguments that both directions share: inputs, sizes, strides and mask. */
function sharedArguments([q, k, v, queryStart, keyStart, firstPosition]: Inputs, params: AttentionParams) {
  const [T, Hq, Dk] = q.shape as [number, number, number];
  const [S, Hkv, Dv] = v.shape as [number, number, number];
  const starts = { query_start: queryStart, key_start: keyStart, first_position: firstPosition };
  const sizes = { B: queryStart.size - 1, max_queries: params.maxQueries, T, S, Hq, Hkv, Dk, Dv };
  const inputStrides = { q_row: Hq * Dk, q_head: Dk, k_row: Hkv * Dk, k_head: Dk, v_row: Hkv * Dv, v_head: Dv };
  const strides = { ...inputStrides, o_row: Hq * Dv, o_head: Dv };
  return {
    q,
    k,
    v,
    ...starts,
    ...sizes,
    ...strides,
    causal: params.causal ? 1 : 0,
    window: params.window ?? 0,
    scale: params.scale,
  };
}

/** Rows outside every sequence are not written by the kernels: they must be zeros. */
function zeroed({ shape, dtype }: Tensor, device: Device): Tensor {
  return full(shape, 0, { dtype, device });
}

export const attentions: OpRows<AttentionOps> = {
  attention: {
    name: 'attention',
    shape: (inputs) => {
      checkShapes(inputs);
      const [q, , v] = inputs;
      const [T, Hq] = q.shape as [number, number, number];
      return [
        { shape: [T, Hq, v.shape[2]], dtype: q.dtype },
        { shape: [T, Hq], dtype: 'f32' },
      ];
    },
    forward: (device, inputs, [out, lse], params) => {
      device.run('zero_bytes', { to: out, n: out.bytes });
      device.run(`attention_${out.dtype as 'f32' | 'bf16'}`, { ...sharedArguments(inputs, params), o: out, lse });
    },
    save: (inputs, outputs) => [...inputs, ...outputs],
    vjp: ({ device, inputs, outputs: [out, lse], params, gradients: [dout] }) => {
      const [q, k, v] = inputs;
      const [dq, dk, dv] = [zeroed(q, device), zeroed(k, device), zeroed(v, device)];
      const delta = empty(lse.shape, 'f32', device);
      const shared = sharedArguments(inputs, params);
      const { q_row, q_head, k_row, k_head, v_row, v_head } = shared;
      const strides = {
        dq_row: q_row,
        dq_head: q_head,
        dk_row: k_row,
        dk_head: k_head,
        dv_row: v_row,
        dv_head: v_head,
      };
      const given = { ...shared, ...strides, o: out, lse, dout, delta, dq, dk, dv };
      if (q.dtype === 'f32') device.run('attention_backward_f32', given);
      else {
        const sums = empty(q.shape, 'f32', device);
        device.run('attention_backward_bf16', { ...given, dq_sum: sums });
        sums.dispose();
      }
      delta.dispose();
      return [dq, dk, dv, null, null, null];
    },
  },
};

/**
 * softmax(scale * q k^T) v for every query over the keys it may see: q [T, Hq, Dk], k [S, Hkv, Dk], v [S, Hkv, Dv] to
 * [T, Hq, Dv], all f32 or all bf16. In bf16, scores, softmax and sums are f32, and probabilities and gradients of
 * scores are rounded to bf16 where they enter products. Query head h reads key head floor(h / (Hq / Hkv)). Causal: a
 * query sees its sequence's keys up to its own position, of which a window leaves the last ones. Bad starts are
 * reported by the next read. Rows outside every sequence are zeros.
 */
export function attention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  sequences: Sequences,
  options: { scale?: number; causal?: boolean; window?: number | null } = {},
): Tensor {
  const { queryStart, keyStart = queryStart, firstPosition = null, maxQueries } = sequences;
  const { scale = (q.shape[2] ?? 1) ** -0.5, causal = true, window = null } = options;
  const params = { maxQueries, scale, causal, window };
  const [out, lse] = apply(attentions.attention, [q, k, v, queryStart, keyStart, firstPosition], params);
  lse.dispose();
  return out;
}

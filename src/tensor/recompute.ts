// Gradient checkpointing: a piece of a model whose intermediate results are computed again in backward.
//
// Contract: on a tape that recomputes, a piece keeps its inputs and outputs only; backward runs it once more on a tape
// of its own, whose memory is free again before the next piece. The bits of the gradients are those of a tape that
// keeps everything, as the same ops run on the same values. Tensors that the piece uses besides its inputs and the
// tape's params must live until backward. Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
import { assert } from '../kernels/index.ts';
import { full } from './create.ts';
import type { Op, OpRow } from './op.ts';
import { scope } from './scope.ts';
import { activeTape, Tape } from './tape.ts';
import { Tensor } from './tensor.ts';

type Piece = (...inputs: (Tensor | null)[]) => unknown;

type Recompute = Op<readonly (Tensor | null)[], { readonly piece: Piece; readonly count: number }, readonly Tensor[]>;

/** The tensors in arrays and plain objects, in a fixed order. */
function listTensors(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(listTensors);
}

const row: OpRow<'recomputable', Recompute> = {
  name: 'recomputable',
  shape: () => [],
  forward: () => {},
  save: (inputs) => inputs,
  vjp: ({ inputs, params: { piece, count }, gradients, needs }) =>
    scope(() => {
      // Handles of the first pass may have been freed; their memory is the entry's.
      const given = inputs.map((input, i) => (i < count ? (input?.alias() ?? null) : input));
      const wanted = given.filter((_, i) => needs[i]) as Tensor[];
      const tape = new Tape(wanted);
      const outputs = scope(() => tape.run(() => listTensors(piece(...given.slice(0, count)))));
      const found = tape.backwardFrom(outputs, gradients);
      let next = 0;
      return needs.map((isNeeded, i) => {
        if (!isNeeded) return null;
        const input = given[i] as Tensor;
        return found[next++] ?? full(input.shape, 0, input);
      });
    }),
};

/**
 * Runs a piece of a model and frees what it made, except what it returns. Where the tape recomputes, backward runs it
 * again. `piece` returns tensors in arrays and plain objects, none of them an input.
 */
export function recomputable<const Inputs extends readonly (Tensor | null)[], Result>(
  inputs: Inputs,
  piece: (...inputs: Inputs) => Result,
): Result {
  const tape = activeTape();
  if (!(tape instanceof Tape) || !tape.recomputes) return scope(() => piece(...inputs));
  const { result, used } = tape.listen(() => scope(() => piece(...inputs)));
  const outputs = listTensors(result);
  for (const output of outputs) assert(!inputs.includes(output), 'a recomputable piece returned one of its inputs');
  const params = { piece: piece as unknown as Piece, count: inputs.length };
  const weights = used.filter((tensor) => !inputs.includes(tensor));
  tape.record(row as unknown as OpRow<string, Op>, [...inputs, ...weights], outputs, params);
  return result;
}

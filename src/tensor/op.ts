// The definition of an op, one row of its family's table, and how a row is applied.
//
// Steps of apply(): inputs are checked (alive, one device), `shape` checks them against each other and returns the
// outputs' shapes, memory is allocated, `forward` queues kernels, and if a tape runs and an input needs a gradient, the
// tape keeps the tensors that `save` names. Backward, the tape passes `vjp` the gradients of the outputs. Nothing
// waits.
import type { Device, DType } from '../kernels/index.ts';
import { DeviceError } from '../kernels/index.ts';
import type { Shape } from './shape.ts';
import { activeTape } from './tape.ts';
import { empty, Tensor } from './tensor.ts';
import { tellWatcher } from './watch.ts';

/** The inputs and outputs of an op: tuples of tensors (null: absent) and parameters that are not tensors. */
export interface Op<
  Inputs extends readonly (Tensor | null)[] = readonly (Tensor | null)[],
  Params = unknown,
  Outputs extends readonly Tensor[] = readonly Tensor[],
> {
  readonly inputs: Inputs;
  readonly params: Params;
  readonly outputs: Outputs;
}

/** An output to make; with `of`, a view of that input's memory instead. */
export interface OutputSpec {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly of?: Tensor;
  readonly offsetBytes?: number;
}

/** A tuple as long as another. */
type Each<Tuple extends readonly unknown[], Item> = { readonly [I in keyof Tuple]: Item };

/** The arguments of a vjp. Only saved tensors have contents; every tensor has its shape. */
export interface Backward<T extends Op = Op> {
  readonly device: Device;
  readonly inputs: T['inputs'];
  readonly outputs: T['outputs'];
  readonly params: T['params'];
  /** Gradients of the outputs; null where the loss does not depend on one. */
  readonly gradients: Each<T['outputs'], Tensor | null>;
  /** Which inputs need a gradient. */
  readonly needs: Each<T['inputs'], boolean>;
}

/** New gradients of the inputs, owned by the tape; null or false where none is needed. */
export type Gradients<T extends Op = Op> = Each<T['inputs'], Tensor | null | false>;

export interface OpRow<Name extends string, T extends Op> {
  readonly name: Name;
  /**
   * Checks the inputs and returns the outputs' shapes. Throws ShapeError, DTypeError or ValueError in the op's name.
   */
  readonly shape: (inputs: T['inputs'], params: T['params']) => Each<T['outputs'], OutputSpec>;
  /** Queues the kernels that fill the outputs. */
  readonly forward: (device: Device, inputs: T['inputs'], outputs: T['outputs'], params: T['params']) => void;
  /** The tensors that vjp will read. */
  readonly save: (
    inputs: T['inputs'],
    outputs: T['outputs'],
    needs: Backward<T>['needs'],
    params: T['params'],
  ) => readonly (Tensor | null | false)[];
  /** Queues the gradients of the inputs. `null` for an op that has none: with float outputs it refuses such inputs. */
  readonly vjp: ((backward: Backward<T>) => Gradients<T>) | null;
}

/** A family's rows, total over its ops: a missing row or part does not compile. */
export type OpRows<Ops> = {
  readonly [Name in keyof Ops & string]: Ops[Name] extends Op ? OpRow<Name, Ops[Name]> : never;
};

function make(spec: OutputSpec, device: Device, op: string): Tensor {
  if (spec.of === undefined) return empty(spec.shape, spec.dtype, device, op);
  const { of, offsetBytes = 0 } = spec;
  return new Tensor(of.storage.retain(), of.offsetBytes + offsetBytes, spec.shape, spec.dtype);
}

function findDevice(op: string, inputs: readonly (Tensor | null)[]): Device {
  let device: Device | null = null;
  for (let i = 0; i < inputs.length; i++) {
    const input = inputs[i];
    if (input === null) continue;
    if (input.disposed) input.use(op);
    const own = input.storage.buffer.device;
    if (device === null) device = own;
    else if (device !== own)
      throw new DeviceError(op, 'the inputs are on different devices', 'copy one over with read and fromArray');
  }
  return device as Device;
}

/** Checks, allocates, queues and records one op. */
export function apply<T extends Op>(row: OpRow<string, T>, inputs: T['inputs'], params: T['params']): T['outputs'] {
  const device = findDevice(row.name, inputs);
  const specs = row.shape(inputs, params) as readonly OutputSpec[];
  const outputs: Tensor[] = [];
  try {
    for (let i = 0; i < specs.length; i++) outputs.push(make(specs[i], device, row.name));
    row.forward(device, inputs, outputs, params);
    tellWatcher(row.name, outputs);
    const tape = activeTape();
    if (tape !== null) tape.record(row as unknown as OpRow<string, Op>, inputs, outputs, params);
  } catch (error) {
    for (const output of outputs) output.dispose();
    throw error;
  }
  return outputs;
}

/** For `save` of ops whose gradient needs no values. */
export function saveNothing(): readonly never[] {
  return [];
}

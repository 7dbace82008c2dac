// Recording: a function of tensors, encoded once and run again with other inputs.
//
// Contract: the recorded function runs once, on stand-ins for its inputs, and only queues. Its outputs are the same
// tensors at every replay and are overwritten by the next. Everything else it touches (weights, optimizer state) is
// baked in by address and must stay alive. Shapes and formats of the inputs are fixed. Left out: re-encoding when
// something baked in was freed.
import {
  type Buffer,
  DisposedError,
  DTypeError,
  type Recording,
  ShapeError,
  type SharedMemory,
  ValueError,
} from '../kernels/index.ts';
import { copy } from './ops/view.ts';
import { scope, unscoped } from './scope.ts';
import { formatShape, sameShape } from './shape.ts';
import { collectOverwritten, empty, type Storage, Tensor } from './tensor.ts';

/** A recorded function. Belongs to the caller, not to a scope: dispose it when it is no longer needed. */
export class Replay<Inputs extends readonly Tensor[], Result> {
  readonly #recording: Recording;
  readonly #standIns: readonly Tensor[];
  readonly #bound: (Buffer | null)[];
  readonly #offsets: number[];
  readonly #outputs: readonly Tensor[];
  readonly #overwritten: ReadonlySet<Storage>;
  readonly #result: Result;
  #disposed = false;

  /** For record(). */
  constructor(
    recording: Recording,
    standIns: readonly Tensor[],
    overwritten: ReadonlySet<Storage>,
    outputs: readonly Tensor[],
    result: Result,
  ) {
    this.#recording = recording;
    this.#standIns = standIns;
    this.#bound = standIns.map(() => null);
    this.#offsets = standIns.map(() => 0);
    this.#outputs = outputs;
    this.#overwritten = overwritten;
    this.#result = result;
  }

  /** What every replay returns: its tensors hold nothing before the first one. */
  get result(): Result {
    return this.#result;
  }

  /** Number of commands that one replay runs. */
  get commands(): number {
    return this.#recording.commands;
  }

  /** Queues the recorded work with these inputs, after everything queued so far; returns the recorded outputs. */
  replay(...inputs: Inputs): Result {
    if (this.#disposed) throw new DisposedError('replay', 'the recording was disposed', 'record again');
    if (inputs.length !== this.#standIns.length)
      throw new ValueError('replay', `expected ${this.#standIns.length} inputs, received ${inputs.length}`, 'pass all');
    for (let i = 0; i < inputs.length; i++) this.#bind(i, inputs[i]);
    this.#recording.replay();
    for (const output of this.#outputs) output.storage.version++;
    for (const storage of this.#overwritten) storage.version++;
    return this.#result;
  }

  /** Frees the recording and its outputs. Await device.flush() first. */
  dispose(): void {
    if (this.#disposed) return;
    this.#recording.dispose();
    this.#disposed = true;
    for (const tensor of this.#outputs) tensor.dispose();
    for (const tensor of this.#standIns) tensor.dispose();
  }

  #bind(i: number, input: Tensor): void {
    const standIn = this.#standIns[i];
    input.use('replay');
    if (!sameShape(input.shape, standIn.shape))
      throw new ShapeError(
        'replay',
        `input ${i} was recorded as ${formatShape(standIn.shape)}, received ${formatShape(input.shape)}`,
        'record once for each shape',
      );
    if (input.dtype !== standIn.dtype)
      throw new DTypeError('replay', `input ${i} was recorded as ${standIn.dtype}, received ${input.dtype}`, 'cast it');
    const { buffer } = input.storage;
    if (this.#bound[i] === buffer && this.#offsets[i] === input.offsetBytes) return;
    this.#recording.bind(standIn.storage.buffer, buffer, input.offsetBytes);
    this.#bound[i] = buffer;
    this.#offsets[i] = input.offsetBytes;
  }
}

/** Returns the same nested arrays and plain objects with every tensor replaced. */
function mapTensors(value: unknown, map: (tensor: Tensor) => Tensor): unknown {
  if (value instanceof Tensor) return map(value);
  if (Array.isArray(value)) return value.map((item) => mapTensors(item, map));
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapTensors(item, map)]));
  return value;
}

/**
 * Records what `body` queues, to be run by replay(...) any number of times. `inputs` show shapes and formats; their
 * values are not used. Tensors that `body` returns (in arrays and plain objects) are the outputs of every replay. With
 * `memory` they hold until another function that shares it is replayed.
 */
export function record<const Inputs extends readonly Tensor[], Result>(
  inputs: Inputs,
  body: (...inputs: Inputs) => Result,
  memory: SharedMemory | null = null,
): Replay<Inputs, Result> {
  const [first] = inputs;
  if (first === undefined)
    throw new ValueError('record', 'expected at least one input, received none', 'pass the tensors that change');
  for (const input of inputs) input.use('record');
  const { device } = first;
  const standIns = unscoped(() => inputs.map((x) => empty(x.shape, x.dtype, device, 'record')));
  try {
    const buffers = standIns.map((x) => x.storage.buffer);
    const outputs: Tensor[] = [];
    const own = (tensor: Tensor) => {
      // An output that is an input's memory would not follow the inputs of a replay.
      const isInput = standIns.some((x) => x.storage === tensor.storage);
      outputs.push(isInput ? copy(tensor) : tensor);
      return outputs.at(-1) as Tensor;
    };
    const run = () => mapTensors(body(...(standIns as unknown as Inputs)), own) as Result;
    const recorded = device.record(buffers, () => collectOverwritten(() => unscoped(() => scope(run))), memory);
    const { result, storages } = recorded.result;
    return new Replay<Inputs, Result>(recorded.recording, standIns, storages, outputs, result);
  } catch (error) {
    for (const standIn of standIns) standIn.dispose();
    throw error;
  }
}

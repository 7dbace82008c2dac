// The tape: reverse-mode gradients of everything that ran while it was active.
//
// Contract: ops append one entry each when an input needs a gradient, so entries are in topological order and
// backward is one walk from the end. An entry retains the memory its vjp will read, whatever scopes or dispose do
// meanwhile; a saved tensor that was overwritten in place is an error. A gradient has the shape and format of its
// tensor; several uses of a tensor add up, last use first. Pieces marked as recomputable run again instead of being
// kept (recompute.ts). Left out: gradients of gradients.
import type { Device } from '../kernels/index.ts';
import { assert, DeviceError, ShapeError, ValueError } from '../kernels/index.ts';
import { full } from './create.ts';
import type { Backward, Gradients, Op, OpRow } from './op.ts';
import { Resource, scope } from './scope.ts';
import { formatShape, sameShape } from './shape.ts';
import { emptyLike, type Storage, type Tensor } from './tensor.ts';
import { tellWatcher } from './watch.ts';

interface Entry {
  readonly row: OpRow<string, Op>;
  readonly inputs: readonly (Tensor | null)[];
  readonly outputs: readonly Tensor[];
  readonly params: unknown;
  readonly needs: readonly boolean[];
  /** Gradient slots of inputs (-1: needs none) and outputs. */
  readonly from: readonly number[];
  readonly to: readonly number[];
  readonly saved: readonly Storage[];
  readonly versions: readonly number[];
}

/** What hears of each op: a tape, or what only notes which tensors are used. */
type Recorder = Pick<Tape, 'record'>;

let active: Recorder | null = null;

/** What ops record on now. For apply. */
export function activeTape(): Recorder | null {
  return active;
}

function withTape<T>(tape: Recorder | null, body: () => T): T {
  const before = active;
  active = tape;
  try {
    return body();
  } finally {
    active = before;
  }
}

/** Runs `body` without recording gradients. */
export function noGrad<T>(body: () => T): T {
  return withTape(null, body);
}

function isDifferentiable(tensor: Tensor): boolean {
  return tensor.dtype === 'f32' || tensor.dtype === 'bf16';
}

/** Adds two gradients, in the memory of the first where nothing else refers to it. */
function accumulate(sum: Tensor, term: Tensor): Tensor {
  const isOwn = sum.storage.references === 1;
  const out = isOwn ? sum : emptyLike(sum);
  sum.device.run(sum.dtype === 'f32' ? 'add_f32' : 'add_bf16', { a: sum, b: term, out, n: sum.size });
  if (!isOwn) sum.dispose();
  term.dispose();
  return out;
}

/** Notes which of a tape's tensors are used by ops that need a gradient. */
class Listener implements Recorder {
  readonly used = new Set<Tensor>();
  readonly #isKnown: (tensor: Tensor) => boolean;
  readonly #made = new Set<Tensor>();

  constructor(isKnown: (tensor: Tensor) => boolean) {
    this.#isKnown = isKnown;
  }

  record(_: OpRow<string, Op>, inputs: readonly (Tensor | null)[], outputs: readonly Tensor[]): void {
    const known = inputs.filter((input) => input !== null && this.#isKnown(input)) as Tensor[];
    for (const tensor of known) this.used.add(tensor);
    if (known.length === 0 && !inputs.some((input) => input !== null && this.#made.has(input))) return;
    for (const output of outputs) if (isDifferentiable(output)) this.#made.add(output);
  }
}

export interface TapeOptions {
  /** Whether pieces marked as recomputable run again in backward instead of being kept. @default false */
  readonly recomputes?: boolean;
}

export class Tape extends Resource {
  readonly recomputes: boolean;
  readonly #params: readonly Tensor[];
  readonly #slots = new Map<Tensor, number>();
  #entries: Entry[] = [];
  #slotCount = 0;
  #state: 'open' | 'running' | 'used' | 'ended' = 'open';

  /** `params`: the tensors whose gradients backward() gives. */
  constructor(params: readonly Tensor[], { recomputes = false }: TapeOptions = {}) {
    super();
    this.recomputes = recomputes;
    this.#params = params;
    for (const param of params) {
      param.use('Tape');
      if (!isDifferentiable(param))
        throw new ValueError('Tape', `${param} has no gradient`, 'ask for gradients of f32 or bf16 tensors');
      if (!this.#slots.has(param)) this.#slots.set(param, this.#slotCount++);
    }
  }

  /** Number of ops recorded. */
  get length(): number {
    return this.#entries.length;
  }

  /** Runs `body`, recording every op that depends on the params. May be called several times before backward. */
  run<T>(body: () => T): T {
    if (active !== null)
      throw new DeviceError('Tape.run', 'another tape is running', 'end it first; gradients of gradients are left out');
    this.#expectOpen('Tape.run');
    this.#state = 'running';
    try {
      const result = withTape(this, body);
      this.#state = 'open';
      return result;
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** For recomputable: runs `body` and keeps nothing; tells which of the tape's tensors its gradients depend on. */
  listen<T>(body: () => T): { readonly result: T; readonly used: readonly Tensor[] } {
    const listener = new Listener((tensor) => this.#slots.has(tensor));
    const result = withTape(listener, body);
    return { result, used: [...listener.used] };
  }

  /** For apply: appends an entry when an input needs a gradient. */
  record(
    row: OpRow<string, Op>,
    inputs: readonly (Tensor | null)[],
    outputs: readonly Tensor[],
    params: unknown,
  ): void {
    const from: number[] = [];
    const needs: boolean[] = [];
    let any = false;
    for (let i = 0; i < inputs.length; i++) {
      const input = inputs[i];
      const slot = input === null ? -1 : (this.#slots.get(input) ?? -1);
      from.push(slot);
      needs.push(slot >= 0);
      if (slot >= 0) any = true;
    }
    if (!any) return;
    if (row.vjp === null && outputs.length > 0 && !outputs.some(isDifferentiable)) return;
    if (row.vjp === null)
      throw new ValueError(row.name, 'an input needs a gradient, but this op has none', 'wrap it in noGrad(() => ...)');
    const to: number[] = [];
    for (let i = 0; i < outputs.length; i++) {
      const output = outputs[i];
      const slot = isDifferentiable(output) ? this.#slotCount++ : -1;
      to.push(slot);
      if (slot >= 0) this.#slots.set(output, slot);
    }
    const saved: Storage[] = [];
    const versions: number[] = [];
    for (const tensor of row.save(inputs, outputs, needs, params)) {
      if (!tensor) continue;
      saved.push(tensor.storage.retain());
      versions.push(tensor.storage.version);
    }
    this.#entries.push({ row, inputs, outputs, params, needs, from, to, saved, versions });
  }

  /**
   * Gradients of `output` by the params, in their order; zeros where it does not depend on one. The caller's scope
   * owns them. `seed` is the gradient of `output`, needed unless it has one element. Ends the tape.
   */
  backward(output: Tensor, seed?: Tensor): Tensor[] {
    this.#expectOpen('Tape.backward');
    const slot = this.#slots.get(output);
    if (slot === undefined)
      throw new ValueError(
        'Tape.backward',
        `${output} does not depend on the params, or was not made in this tape's run`,
        'compute it inside tape.run(() => ...)',
      );
    const first = this.#seed(output, seed);
    const found = this.#end(output.device, [[slot, first]]);
    return found.map((gradient, i) => gradient ?? full(this.#params[i].shape, 0, this.#params[i]));
  }

  /**
   * Gradients by the params where several outputs have gradients, null for those without; null too for a param that
   * none depends on. Takes the gradients over. Ends the tape. For recomputable.
   */
  backwardFrom(outputs: readonly Tensor[], gradients: readonly (Tensor | null)[]): (Tensor | null)[] {
    this.#expectOpen('Tape.backwardFrom');
    const seeds = outputs.flatMap((output, i): [number, Tensor][] => {
      const slot = this.#slots.get(output);
      const gradient = gradients[i];
      return slot === undefined || !gradient ? [] : [[slot, gradient.alias()]];
    });
    return seeds.length === 0 ? this.#params.map(() => null) : this.#end(outputs[0].device, seeds);
  }

  /** Drops the recorded entries and releases the saved tensors. */
  override dispose(): void {
    this.#release();
    if (this.#state !== 'used') this.#state = 'ended';
  }

  #seed(output: Tensor, seed: Tensor | undefined): Tensor {
    if (seed === undefined) {
      if (output.size !== 1)
        throw new ShapeError(
          'Tape.backward',
          `the output has shape ${formatShape(output.shape)}, expected one element`,
          'reduce it with sum or mean, or pass the gradient of the output as seed',
        );
      return full(output.shape, 1, output);
    }
    seed.use('Tape.backward');
    if (!sameShape(seed.shape, output.shape) || seed.dtype !== output.dtype)
      throw new ShapeError(
        'Tape.backward',
        `the seed is ${seed}, the output ${output}`,
        'give them one shape and format',
      );
    return seed.alias();
  }

  #end(device: Device, seeds: readonly [slot: number, gradient: Tensor][]): (Tensor | null)[] {
    this.#state = 'used';
    try {
      return scope(() => withTape(null, () => this.#walk(device, seeds)));
    } finally {
      this.#release();
    }
  }

  #walk(device: Device, seeds: readonly [slot: number, gradient: Tensor][]): (Tensor | null)[] {
    const gradients: (Tensor | null)[] = new Array(this.#slotCount).fill(null);
    for (const [slot, gradient] of seeds) gradients[slot] = gradient;
    while (this.#entries.length > 0) {
      const entry = this.#entries.pop() as Entry;
      const { row, inputs, outputs, params, needs, from, to } = entry;
      let reached = false;
      const given: (Tensor | null)[] = [];
      for (let i = 0; i < to.length; i++) {
        const gradient = to[i] < 0 ? null : gradients[to[i]];
        if (gradient !== null) reached = true;
        given.push(gradient);
      }
      if (reached) {
        checkVersions(entry);
        const vjp = row.vjp as (backward: Backward) => Gradients;
        const results = vjp({ device, inputs, outputs, params, gradients: given, needs });
        tellWatcher(`gradient of ${row.name}`, results);
        for (let i = 0; i < from.length; i++) collect(entry, i, results[i] || null, gradients);
      }
      for (let i = 0; i < to.length; i++) {
        if (to[i] < 0) continue;
        gradients[to[i]]?.dispose();
        gradients[to[i]] = null;
      }
      for (const storage of entry.saved) storage.release();
    }
    const given = new Set<Tensor>();
    return this.#params.map((param) => {
      const gradient = gradients[this.#slots.get(param) as number] ?? null;
      if (gradient === null) return null;
      if (given.has(gradient)) return gradient.alias();
      given.add(gradient);
      return gradient;
    });
  }

  #release(): void {
    for (const entry of this.#entries) for (const storage of entry.saved) storage.release();
    this.#entries = [];
    this.#slots.clear();
  }

  #expectOpen(op: string): void {
    if (this.#state === 'open') return;
    const why = {
      running: ['the tape is running', 'call it after run(() => ...) has returned'],
      used: ['backward has run already and freed what the tape saved', 'record a new tape'],
      ended: ['the tape has ended', 'record a new tape'],
    }[this.#state] as [string, string];
    throw new ValueError(op, why[0], why[1]);
  }
}

function checkVersions({ row, saved, versions }: Entry): void {
  for (let i = 0; i < saved.length; i++)
    if (saved[i].version !== versions[i])
      throw new ValueError(
        row.name,
        'a tensor that its gradient needs was overwritten in place',
        'write to it after backward',
      );
}

function collect(entry: Entry, i: number, gradient: Tensor | null, gradients: (Tensor | null)[]): void {
  if (!entry.needs[i]) {
    gradient?.dispose();
    return;
  }
  const input = entry.inputs[i] as Tensor;
  const fits = gradient !== null && sameShape(gradient.shape, input.shape) && gradient.dtype === input.dtype;
  if (!fits) assert(false, `${entry.row.name} gave a gradient ${gradient} of an input ${input}`);
  const slot = entry.from[i];
  const before = gradients[slot];
  gradients[slot] = before === null ? gradient : accumulate(before, gradient);
}

/** Value and gradients of a loss in one call. */
export function valueAndGrad(loss: () => Tensor, params: readonly Tensor[]): { value: Tensor; gradients: Tensor[] } {
  const tape = new Tape(params);
  const value = tape.run(loss);
  return { value, gradients: tape.backward(value) };
}

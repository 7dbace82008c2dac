// The benchmark harness: every figure beside its yardstick, measured in the same seconds.
//
// A comparison samples kernel, yardstick, kernel, yardstick ... so that a busy neighbor hits both; its ratio is the
// median of the rounds' own ratios, which a disturbance of a few rounds does not move. One sample is a list that holds
// the command often enough to last some 30 ms. Rates are of floating-point operations or of bytes that must move.

import {
  type Buffer,
  calibrate,
  type Data,
  type Device,
  type DType,
  dtypeBytes,
  newData,
  openYardsticks,
  sample,
  toBf16,
  toRate,
  type Work,
  type Yardsticks,
} from '../src/kernels/index.ts';
import { median, Random } from '../src/math/index.ts';

/** What a rate's unit stands for. */
const unitScale = { 'GFLOP/s': 1e9, 'GB/s': 1e9, 'MB/s': 1e6, 'tokens/s': 1 } as const;
type RateUnit = keyof typeof unitScale;

type Unit = RateUnit | 'GFLOP' | 'min' | 'ns' | 'us' | 'ms' | 'MB' | 'x' | 'ticks/s';

/** What the issue asks of a figure: of its ratio where there is a yardstick, else of its median. */
export interface Required {
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface Result {
  readonly family: string;
  readonly name: string;
  readonly setup: string;
  readonly unit: Unit;
  readonly median: number;
  readonly best: number;
  readonly yardstick?: { readonly name: string; readonly median: number };
  readonly ratio?: number;
  readonly required?: Required;
  readonly passed?: boolean;
}

interface Comparison {
  readonly name: string;
  readonly unit: RateUnit;
  readonly work: Work;
  /** Where the yardstick runs on another device, that one. */
  readonly yardstick?: { readonly name: string; readonly work: Work; readonly device?: Device };
  readonly required?: Required;
}

/** Seconds of each round, of a work and of its yardstick; amounts in operations or bytes. */
export interface Samples {
  readonly name: string;
  readonly unit: RateUnit;
  readonly amount: number;
  readonly seconds: readonly number[];
  readonly yardstick?: { readonly name: string; readonly amount: number; readonly seconds: readonly number[] };
  readonly required?: Required;
}

function meets(value: number, { atLeast, atMost }: Required): boolean {
  return value >= (atLeast ?? Number.NEGATIVE_INFINITY) && value <= (atMost ?? Number.POSITIVE_INFINITY);
}

export class Bench {
  readonly device: Device;
  readonly rounds: number;
  readonly #report: (result: Result) => void;
  readonly #random = new Random(1);
  #yardsticks: Yardsticks | undefined;
  #family = '';
  #buffers: Buffer[] = [];

  constructor(device: Device, rounds: number, report: (result: Result) => void) {
    this.device = device;
    this.rounds = rounds;
    this.#report = report;
  }

  get yardsticks(): Yardsticks {
    this.#yardsticks ??= openYardsticks(this.device);
    return this.#yardsticks;
  }

  /** The same bench on another device, which the caller opens and closes. */
  on(device: Device): Bench {
    const bench = new Bench(device, this.rounds, this.#report);
    bench.#family = this.#family;
    return bench;
  }

  async family(name: string, body: (bench: Bench) => Promise<void>): Promise<void> {
    this.#family = name;
    try {
      await body(this);
    } finally {
      this.free();
    }
  }

  /** Memory that lives until the next free(). */
  alloc(bytes: number): number {
    const buffer = this.device.alloc(Math.max(1, Math.ceil(bytes)), 'bench');
    this.#buffers.push(buffer);
    return buffer.address;
  }

  put(data: Data): number {
    const buffer = this.device.alloc(data.byteLength, 'bench');
    this.#buffers.push(buffer);
    this.device.write(buffer, data);
    return buffer.address;
  }

  /** Numbers in [-1, 1), every page of them written; a block of 2^18 repeats. */
  random(dtype: 'f32' | 'bf16' | 'e4m3', count: number): number {
    const block = newData(dtype, Math.min(count, 2 ** 18));
    for (let i = 0; i < block.length; i++) block[i] = this.#value(dtype);
    const buffer = this.device.alloc(count * dtypeBytes[dtype], 'bench');
    this.#buffers.push(buffer);
    for (let at = 0; at < count; at += block.length)
      this.device.write(buffer, block.subarray(0, count - at), at * dtypeBytes[dtype]);
    return buffer.address;
  }

  #value(dtype: DType): number {
    const x = 2 * this.#random.uniform() - 1;
    if (dtype === 'bf16') return toBf16(x);
    if (dtype === 'e4m3') return this.#random.below(127) | (x < 0 ? 0x80 : 0); // all codes but NaN
    return x;
  }

  free(): void {
    for (const buffer of this.#buffers.splice(0)) buffer.free();
    this.#yardsticks?.free();
    this.#yardsticks = undefined;
  }

  setup(device = this.device): string {
    return `${device.isa}, ${device.threads} ${device.threads === 1 ? 'thread' : 'threads'}`;
  }

  /** Times the work and its yardstick in turn. Returns the ratio, or the median rate without a yardstick. */
  async compare({ name, unit, work, yardstick, required }: Comparison): Promise<void> {
    const other = yardstick?.device ?? this.device;
    const repeats = await calibrate(this.device, work);
    const otherRepeats = yardstick ? await calibrate(other, yardstick.work) : 0;
    const seconds: number[] = [];
    const otherSeconds: number[] = [];
    for (let round = 0; round < this.rounds; round++) {
      seconds.push(await sample(this.device, work, repeats));
      if (yardstick) otherSeconds.push(await sample(other, yardstick.work, otherRepeats));
    }
    this.beside({
      name,
      unit,
      amount: work.amount,
      seconds,
      ...(yardstick && { yardstick: { name: yardstick.name, amount: yardstick.work.amount, seconds: otherSeconds } }),
      ...(required && { required }),
    });
  }

  /** Samples taken in turn with their yardstick's; the ratio is the median of the rounds' own. */
  beside({ name, unit, amount, seconds, yardstick, required }: Samples): void {
    const scale = unitScale[unit];
    const rate = toRate({ amount }, seconds);
    const result = {
      family: this.#family,
      name,
      setup: this.setup(),
      unit,
      median: rate.median / scale,
      best: rate.best / scale,
    };
    if (!yardstick) {
      this.#report({ ...result, ...(required && { required, passed: meets(rate.median / scale, required) }) });
      return;
    }
    const ratio = median(seconds.map((s, i) => amount / s / (yardstick.amount / yardstick.seconds[i])));
    this.#report({
      ...result,
      yardstick: { name: yardstick.name, median: toRate(yardstick, yardstick.seconds).median / scale },
      ratio,
      ...(required && { required, passed: meets(ratio, required) }),
    });
  }

  /** One amount beside a peer's; the ratio is ours over theirs. */
  amount(name: string, unit: Unit, own: number, peer: { name: string; amount: number }, required?: Required): void {
    const ratio = own / peer.amount;
    this.#report({
      family: this.#family,
      name,
      setup: this.setup(),
      unit,
      median: own,
      best: own,
      yardstick: { name: peer.name, median: peer.amount },
      ratio,
      ...(required && { required, passed: meets(ratio, required) }),
    });
  }

  /**
   * A figure that is not a rate: `values` are its samples, the smallest the best unless `largestIsBest` says otherwise.
   */
  value(name: string, unit: Unit, values: readonly number[], required?: Required, largestIsBest = false): void {
    const middle = median(values);
    this.#report({
      family: this.#family,
      name,
      setup: this.setup(),
      unit,
      median: middle,
      best: largestIsBest ? Math.max(...values) : Math.min(...values),
      ...(required && { required, passed: meets(middle, required) }),
    });
  }
}

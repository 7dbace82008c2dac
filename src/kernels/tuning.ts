// How weights that are read once are read: what changes no bits, and is fastest on some machine only.
//
// On Zen loads that bypass the caches win; on Intel they lose to plain loads with a prefetch, and two panels at once
// win as well. So the first process that opens a build on a machine measures on an int4 product in memory beyond the
// caches, for some 0.1 s of CPU time, and keeps the result beside the builds (machine.json). MINKE_TUNING forces one.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Addon, nativeFolder } from './addon.ts';
import { CommandList, createEncoder } from './command-list.ts';
import { readMachineFile, writeMachineFile } from './cpu.ts';
import { dtypeCode } from './dtype.ts';
import { DeviceError } from './errors.ts';
import { unpackedBytes } from './panel-layout.ts';
import { gemmWorkspaceBytes } from './sizes.ts';
import { type CallArguments, type KernelName, kernels } from './table.ts';

export interface Tuning {
  /** Loads from memory: plain, or such as bypass the caches where the CPU has them. */
  readonly loads: 'plain' | 'streamed';
  /** Bytes fetched before they are read; 0: as the CPU sees fit. */
  readonly ahead: number;
  /** Panels read at once. */
  readonly panels: 1 | 2;
}

export const defaultTuning: Tuning = { loads: 'plain', ahead: 2048, panels: 2 };

export function formatTuning({ loads, ahead, panels }: Tuning): string {
  return `${loads},${ahead},${panels}`;
}

/** Reads `plain,2048,2`; null where that is no tuning. */
export function parseTuning(text: string): Tuning | null {
  const [, loads, ahead, panels] = /^(plain|streamed),(\d{1,5}),([12])$/.exec(text) ?? [];
  if (loads === undefined) return null;
  return { loads: loads as Tuning['loads'], ahead: Number(ahead), panels: panels === '2' ? 2 : 1 };
}

/** The tuning that MINKE_TUNING forces. Throws DeviceError for one that is none. */
export function requestedTuning(): Tuning | null {
  const text = process.env.MINKE_TUNING;
  if (text === undefined) return null;
  const tuning = parseTuning(text);
  if (tuning !== null) return tuning;
  throw new DeviceError(
    'open',
    `MINKE_TUNING=${text} is no tuning`,
    `write loads, bytes ahead and panels at once, as in ${formatTuning(defaultTuning)} or streamed,0,1, or unset it`,
  );
}

/** Loads and panels are compared first, then distances for the best of them. */
const forms: readonly Tuning[] = (['plain', 'streamed'] as const).flatMap((loads) =>
  ([1, 2] as const).map((panels) => ({ loads, panels, ahead: defaultTuning.ahead })),
);
const distances = [0, 1024, 4096, 8192];
const rounds = 3;
/** The default stays unless another one is faster by this factor. */
const margin = 1.04;

/** Returns the fastest of some tunings, by the least seconds of several rounds in turn. */
function pickFastest(tunings: readonly Tuning[], favorite: Tuning, measure: (tuning: Tuning) => number): Tuning {
  const least = tunings.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < rounds; round++)
    for (const [i, tuning] of tunings.entries()) least[i] = Math.min(least[i], measure(tuning));
  const seconds = (i: number) => least[i] * (tunings[i] === favorite ? 1 : margin);
  const best = tunings.reduce((least, _, i) => (seconds(i) < seconds(least) ? i : least), 0);
  return tunings[best];
}

/** Returns the best tuning of a machine, where `measure` returns the seconds of a product that reads with one. */
export function chooseTuning(measure: (tuning: Tuning) => number): Tuning {
  const favorite = forms.find((form) => formatTuning(form) === formatTuning(defaultTuning)) ?? defaultTuning;
  const form = pickFastest(forms, favorite, measure);
  return pickFastest([form, ...distances.map((ahead) => ({ ...form, ahead }))], form, measure);
}

/** Encodes commands into memory of a device; returns the arguments of `runNow`. */
function encode(addon: Addon, device: unknown, order: readonly KernelName[]) {
  return <Name extends KernelName>(name: Name, args: CallArguments<Name>): [address: number, words: number] => {
    const list = new CommandList();
    createEncoder(name, order.indexOf(name), kernels[name].parameters)(list, args);
    const address = addon.reserve(device, 8 * list.length);
    addon.copyIn(device, address, list.words.subarray(0, list.length));
    return [address, list.length];
  };
}

/** One row times a weight of 33 MB in int4. */
const [productN, productK] = [28_672, 2048];

/** Measures on an open device without other work. */
function measureTuning(addon: Addon, device: unknown, order: readonly KernelName[]): Tuning {
  const bytes = unpackedBytes('int4', productN, productK);
  const [panels, a, c, workspace] = [bytes, 4 * productK, 4 * productN, gemmWorkspaceBytes(1, productK)].map((size) =>
    addon.reserve(device, size),
  );
  const write = encode(addon, device, order);
  const clear = [write('zero_bytes', { to: panels, n: bytes }), write('zero_bytes', { to: a, n: 4 * productK })];
  const format = { a_type: dtypeCode.f32, c_type: dtypeCode.f32, accumulate: 0 };
  const shape = { m: 1, n: productN, k: productK, lda: productK, ldc: productN };
  const product = write('gemm_panel_int4', { a, panels, c, workspace, ...shape, ...format });
  for (const list of clear) addon.runNow(device, ...list); // untouched pages would all be one page of zeros
  const tuning = chooseTuning((each) => {
    applyTuning(addon, device, each);
    return addon.runNow(device, ...product);
  });
  for (const [address] of [...clear, product]) addon.release(device, address);
  for (const address of [panels, a, c, workspace]) addon.release(device, address);
  return tuning;
}

function applyTuning(addon: Addon, device: unknown, { loads, ahead, panels }: Tuning): void {
  addon.tune(device, loads === 'streamed' ? 1 : 0, ahead, panels);
}

/** Names a build, so that another one is measured again; empty where nothing does. */
function readBuildKey(isa: string): string {
  try {
    return readFileSync(join(nativeFolder(), `${isa}.node.key`), 'utf8').slice(0, 16);
  } catch {
    return '';
  }
}

/** Sets how an open device without other work reads weights: forced, as measured before, or measured now. */
export function tuneDevice(addon: Addon, device: unknown, isa: string, order: readonly KernelName[]): Tuning {
  const tuning = requestedTuning() ?? recallTuning(addon, device, isa, order);
  applyTuning(addon, device, tuning);
  return tuning;
}

function recallTuning(addon: Addon, device: unknown, isa: string, order: readonly KernelName[]): Tuning {
  const [cpu] = addon.describeCpu();
  const build = readBuildKey(isa);
  const all = (readMachineFile(cpu)?.tunings ?? {}) as Readonly<Record<string, { build?: unknown; tuning?: unknown }>>;
  const { build: measured, tuning: kept } = all[isa] ?? {};
  const known = measured === build && typeof kept === 'string' ? parseTuning(kept) : null;
  if (known !== null) return known;
  const tuning = measureTuning(addon, device, order);
  writeMachineFile(cpu, { tunings: { ...all, [isa]: { build, tuning: formatTuning(tuning) } } });
  return tuning;
}

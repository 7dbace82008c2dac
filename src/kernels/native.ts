// The native backend: C++ kernels on a pool of threads, through raw Node-API (cpp/napi.cc). One file for each
// instruction set, which native-build.ts makes. Left out: prebuilt binaries.
import { loadAddon } from './addon.ts';
import type { Backend, Completed } from './backend.ts';
import { cpuIsas, examineCpu, nativeIsas } from './cpu.ts';
import { DeviceError } from './errors.ts';
import { checkSignatures } from './match.ts';
import { checkSizes } from './sizes.ts';
import { defaultTuning, formatTuning, tuneDevice } from './tuning.ts';

function explainMissing(isa: string): string {
  const cpu = examineCpu();
  const built = nativeIsas().join(', ') || 'none';
  if (cpu === null || cpu.isas.includes(isa)) return `no native build for ${isa} here (${built})`;
  const why = isa === 'amx' && cpu.tileProblem !== null ? `: ${cpu.tileProblem}` : '';
  return `this machine does not run ${isa}${why} (it runs ${cpu.isas.join(', ')})`;
}

export function openNative(isa: string, threads: number, completed: Completed): Backend {
  const { addon: native, problem } = loadAddon(isa);
  if (!native || !cpuIsas()?.includes(isa))
    throw new DeviceError(
      'open',
      problem ?? explainMissing(isa),
      'unset MINKE_ISA and MINKE_DEVICE, or choose one of these',
    );
  const [, lanes, width, order, arithmetic] = native.isa();
  const build = `the ${isa} build`;
  checkSizes(native.sizes?.() ?? [], build);
  const exactMemory = process.env.MINKE_EXACT_MEMORY === '1';
  const handle = native.open(threads, exactMemory ? 1 : 0, (id, code, command, where, value, limit) =>
    completed(id, { code, command, where, value, limit } as Parameters<Completed>[1]),
  );
  if (handle === undefined)
    throw new DeviceError(
      'open',
      `no memory for ${threads} threads`,
      'raise the limits of this shell (ulimit -v, ulimit -u), or choose fewer with MINKE_THREADS',
    );
  const kernelOrder = checkSignatures(native.kernels(handle), build);
  const tuning = exactMemory ? defaultTuning : tuneDevice(native, handle, isa, kernelOrder);
  return {
    name: 'native',
    isa,
    threads,
    lanes,
    arithmetic,
    panelLayout: { width, order },
    memoryLimit: Number.POSITIVE_INFINITY,
    exactMemory,
    givesZeros: !exactMemory && process.platform !== 'win32',
    kernelOrder,
    tuning: formatTuning(tuning),
    reserve: (bytes) => native.reserve(handle, bytes),
    release: (address) => native.release(handle, address),
    mapFile(fd, bytes) {
      const address = native.mapFile(handle, fd, bytes);
      if (address >= 0) return address;
      throw new DeviceError(
        'map',
        `expected a file of at least ${bytes} bytes, it has become shorter`,
        'leave it alone while it is opened',
      );
    },
    unmapFile: (address) => native.unmapFile(handle, address),
    copyIn: (address, data) => native.copyIn(handle, address, data),
    copyOut: (address, data) => native.copyOut(handle, address, data),
    submit: (address, words, id) => native.submit(handle, address, words, id),
    hold: (busy) => native.hold(handle, busy ? 1 : 0),
    close: () => native.close(handle),
  };
}

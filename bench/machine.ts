// Which kind of machine a figure was measured on: figures of two kinds are never mixed on one page.
//
// A kind is named by the processor's microarchitecture, which Linux gives as numbers, and by its matrix unit, since
// that decides more than the rest: sapphirerapids-amx. What the tables here do not know is named by family and model.
import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

export interface MachineKind {
  /** Part of file names: lower-case words joined by hyphens. */
  readonly name: string;
  /** What decides speed, of what the processor offers. */
  readonly features: readonly string[];
}

const x86Features = ['avx2', 'fma', 'avx_vnni', 'avx512f', 'avx512_vnni', 'avx512vbmi', 'avx512_bf16', 'avx512_fp16'];
const matrixFeatures = ['amx_bf16', 'amx_int8', 'amx_fp16'];
const armFeatures = ['asimd', 'asimddp', 'bf16', 'i8mm', 'sve', 'sve2'];

/** Intel's family 6, by model. */
const intel: Record<number, string> = {
  63: 'haswell',
  79: 'broadwell',
  85: 'skylake', // and Cascade Lake, Cooper Lake
  106: 'icelake',
  108: 'icelake',
  143: 'sapphirerapids',
  207: 'emeraldrapids',
  173: 'graniterapids',
  174: 'graniterapids',
};

/** Names AMD's generation from family and model: 25 holds Zen 3 and Zen 4 in turns of 16 models. */
function nameZen(family: number, model: number): string | undefined {
  if (family === 23) return model < 48 ? 'zen1' : 'zen2';
  if (family === 26) return 'zen5';
  if (family !== 25) return undefined;
  return (model >= 16 && model < 32) || (model >= 96 && model < 176) ? 'zen4' : 'zen3';
}

const toName = (text: string) =>
  text
    .toLowerCase()
    .replace(/\((r|tm)\)/g, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');

/** Reads the first processor of /proc/cpuinfo. `model`: the processor's name where that file tells nothing. */
export function parseKind(cpuinfo: string, model: string): MachineKind {
  const fields = new Map(
    cpuinfo
      .split('\n\n')[0]
      .split('\n')
      .map((line) => line.split(':').map((part) => part.trim()) as [string, string]),
  );
  const offered = new Set((fields.get('flags') ?? fields.get('Features') ?? '').split(' '));
  const features = [...x86Features, ...matrixFeatures, ...armFeatures].filter((feature) => offered.has(feature));
  const [family, number] = ['cpu family', 'model'].map((field) => Number(fields.get(field)));
  const vendor = fields.get('vendor_id');
  const hasMatrixUnit = offered.has('amx_bf16');
  const base =
    (vendor === 'GenuineIntel' && family === 6 && intel[number]) ||
    (vendor === 'AuthenticAMD' && nameZen(family, number)) ||
    (hasMatrixUnit && 'sapphirerapids') || // hypervisors hide the model; older processors have no such unit
    toName(vendor ? `${vendor}-${family}-${number}` : model);
  return { name: hasMatrixUnit ? `${base}-amx` : base, features };
}

export function machineKind(): MachineKind {
  const file = '/proc/cpuinfo';
  return parseKind(existsSync(file) ? readFileSync(file, 'utf8') : '', cpus()[0]?.model ?? 'unknown');
}

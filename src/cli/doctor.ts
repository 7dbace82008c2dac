// minke doctor: what computes on this machine, how fast it is, and what slows it down. Takes a few seconds.
import { styleText } from 'node:util';
import {
  arithmetics,
  type Device,
  describeMachine,
  examineCpu,
  measure,
  nativeCompiler,
  nativeFailure,
  nativeIsas,
  openDevice,
  openYardsticks,
} from '../kernels/index.ts';
import { formatBytes } from '../math/index.ts';
import { type DeviceReport, findings } from './findings.ts';
import { compileKernels } from './long-work.ts';

const hasColors = process.stdout.hasColors?.() ?? false; // false with NO_COLOR and in pipes
const bold = (text: string) => (hasColors ? styleText('bold', text) : text);

function line(label: string, value: string): void {
  console.log(`  ${label.padEnd(16)} ${value}`);
}

function formatGiga(rate: number): string {
  return (rate / 1e9).toFixed(rate < 1e10 ? 1 : 0).padStart(6);
}

interface Measured {
  readonly label: string;
  readonly unit: string;
  readonly one: number;
  readonly all: number;
}

async function measureRates(device: Device): Promise<Measured[]> {
  const yardsticks = openYardsticks(device);
  const all = device.threads;
  try {
    const rates = await measure(device, [
      yardsticks.arithmetic('probe_fma_f32', 1),
      yardsticks.arithmetic('probe_fma_f32', all),
      yardsticks.arithmetic('probe_dot_bf16', 1),
      yardsticks.arithmetic('probe_dot_bf16', all),
      yardsticks.read(1),
      yardsticks.read(all),
    ]);
    const row = (label: string, unit: string, at: number) => ({
      label,
      unit,
      one: rates[at].median,
      all: rates[at + 1].median,
    });
    return [row('f32 arithmetic', 'GFLOP/s', 0), row('bf16 arithmetic', 'GFLOP/s', 2), row('memory reads', 'GB/s', 4)];
  } finally {
    yardsticks.free();
  }
}

/** The measured forms of bf16 products, the one that was chosen first. */
function describeForms(): string | null {
  const cpu = examineCpu();
  if (cpu === null) return null;
  const names = { tiles: 'AMX tiles', pairs: 'vdpbf16ps pairs', steps: 'f32 steps' };
  const found = arithmetics.filter((arithmetic) => cpu.rates[arithmetic] > 0);
  found.sort((a, b) => cpu.rates[b] - cpu.rates[a]);
  const forms = found.map((arithmetic) => `${names[arithmetic]} ${Math.round(cpu.rates[arithmetic])}`);
  return forms.length === 0 ? null : `${forms.join(', ')} GFLOP/s in registers, one thread`;
}

/** What else runs here, and how it is forced. */
function describeOthers(device: Device): string {
  const built = nativeIsas();
  const others = (examineCpu()?.isas ?? []).filter((isa) => isa !== device.isa);
  const named = others.map((isa) => (built.includes(isa) ? isa : `${isa} (compiled when chosen)`));
  const isas = named.length === 0 ? '' : `MINKE_ISA: ${named.join(', ')}; `;
  return `${isas}MINKE_DEVICE: ${[...(device.name === 'wasm' ? [] : ['wasm']), 'reference'].join(', ')}`;
}

function printDevice(device: Device, compiler: string | null): void {
  const machine = describeMachine();
  const { arithmetic, isa, lanes } = device.computation;
  console.log(bold('machine'));
  line('CPU', `${machine.cpu}, ${machine.cores} cores, ${machine.platform}`);
  line(
    'memory',
    `${formatBytes(machine.memoryBytes)}, of which minke uses at most ${formatBytes(device.memory.limit)}`,
  );
  line('Node', machine.node);
  console.log(bold('device'));
  line('runs on', `${device.name}, ${isa}, ${device.threads} threads`);
  line('arithmetic', `${arithmetic} of ${lanes} lanes: every machine that computes so gives these bits`);
  const forms = describeForms();
  if (forms !== null) line('bf16 products', forms);
  if (device.tuning !== null) line('reads weights', `${device.tuning} (loads, bytes ahead, panels at once; no bits)`);
  line('also available', describeOthers(device));
  line('compiler', compiler ?? 'none, so no native kernels');
}

export async function doctor(): Promise<void> {
  const machine = describeMachine(); // before doctor adds its own load
  await compileKernels(true);
  const compiler = nativeCompiler();
  const device = openDevice();
  try {
    printDevice(device, compiler);
    const rates = await measureRates(device);
    console.log(bold('measured rates'));
    line('', `one thread  ${device.threads} threads`);
    for (const { label, unit, one, all } of rates) line(label, `    ${formatGiga(one)}     ${formatGiga(all)} ${unit}`);
    const [f32, bf16] = rates as [Measured, Measured];
    const report: DeviceReport = {
      machine,
      device: device.name,
      isa: device.isa,
      nativeIsas: nativeIsas(),
      cpuIsas: examineCpu()?.isas ?? [],
      tileProblem: examineCpu()?.tileProblem ?? null,
      compiler,
      nativeFailure: nativeFailure(),
      threads: device.threads,
      f32,
      bf16,
      environment: process.env,
    };
    console.log(bold('what slows it down'));
    const found = findings(report);
    for (const sentence of found) console.log(`  - ${sentence}`);
    if (found.length === 0) console.log('  nothing');
  } finally {
    await device.close();
  }
}

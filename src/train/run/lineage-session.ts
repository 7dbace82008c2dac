// The lineage of a run that begins or continues: its origin, its machine, its price.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type Device, describeMachine, packageRoot, packageVersion } from '../../kernels/index.ts';
import { market, type PriceBand, rentBand, statedPrice } from '../../planner/index.ts';
import { describeEdits, readParents } from './ancestry.ts';
import { chargeAttempts, type FoundRun, findRuns } from './attempts.ts';
import type { RunRecipe } from './kind.ts';
import { findEdits, type Lineage, withSeconds } from './lineage.ts';
import { mergeRecords } from './lineage-record.ts';
import { steadyNow } from './steady-clock.ts';
import { addWork, noWork, type Prediction, predictedFlops, totalFlops } from './work.ts';

/** Names how seeds become random numbers. A run is resumed only with the generator that it began with. */
export const generator = 'philox4x32-10';

function git(...args: string[]): string | null {
  const root = packageRoot();
  if (!existsSync(join(root, '.git'))) return null;
  try {
    return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return null;
  }
}

/** Returns the version of the program and, in a clone, its commit. */
function codeVersion(): Lineage['code'] {
  return {
    version: packageVersion(),
    commit: git('rev-parse', 'HEAD'),
    changed: (git('status', '--porcelain') ?? '') !== '',
  };
}

export function describeDevice({ name, isa, threads }: Device): string {
  return `${name} ${isa}, ${threads} threads`;
}

function describeSession(device: Device, fromStep: number): Lineage['sessions'][number] {
  const { cpu, cores, memoryBytes, node, platform } = describeMachine();
  return {
    started: new Date(steadyNow()).toISOString(),
    seconds: 0,
    fromStep,
    machine: `${cpu}, ${cores} cores, ${Math.round(memoryBytes / 2 ** 30)} GiB, ${platform}, Node ${node}`,
    device: describeDevice(device),
    joules: null,
  };
}

/** What prices an hour of work: the price that a recipe states, else the rent of the device's threads. */
export type Pricing = Pick<RunRecipe, 'pricePerHour' | 'currency'>;

/** Returns what an hour of a device costs. */
export function machinePrice({ pricePerHour, currency }: Pricing, { threads }: Pick<Device, 'threads'>): PriceBand {
  const today = new Date().toISOString().slice(0, 10);
  if (pricePerHour !== undefined) return statedPrice(pricePerHour, currency, today, 'stated in the recipe');
  const band = rentBand(market, 'vcpu') as PriceBand;
  return {
    ...band,
    low: threads * band.low,
    middle: threads * band.middle,
    high: threads * band.high,
    per: `h of ${threads} vCPUs`,
  };
}

/** What the lineage of a run records of its beginning. */
export interface Origin {
  /** Folder of the weights that the run begins from; null: fresh ones. */
  readonly initial: string | null;
  /** Further models that it asks, such as a reward model. */
  readonly others?: readonly { readonly role: string; readonly path: string }[];
  /** The corpus; none where a run makes its own data. */
  readonly data?: Lineage['data'];
  /** What wrote the data, with what made it, where that is known. */
  readonly written?: Pick<Lineage, 'teachers' | 'charged' | 'ancestors'>;
  /** None where the recipe does not say enough. */
  readonly predicted?: Prediction;
}

export interface Beginning {
  /** The run's, beside which earlier attempts may be; null where none are looked for. */
  readonly folder: string | null;
  readonly kind: string;
  readonly recipe: Pick<RunRecipe, 'seed'> & Pricing;
  readonly origin: Origin;
  readonly device: Device;
}

/** Returns the runs beside a folder. */
function findRunsBeside(folder: string): readonly FoundRun[] {
  return findRuns(dirname(resolve(folder)), 1).runs.filter((run) => resolve(run.folder) !== resolve(folder));
}

/**
 * Returns a prediction with the hours that it takes at the FLOP/s of the last run of its kind beside it on this machine
 * and device; as it is where there is none.
 */
function predictHours(
  predicted: Prediction,
  kind: string,
  { machine, device }: Lineage['sessions'][number],
  runs: readonly FoundRun[],
): Prediction {
  const alike = runs.filter(({ lineage }) => {
    const last = lineage.sessions.at(-1);
    return lineage.kind === kind && last?.machine === machine && last.device === device && predictedFlops(lineage) > 0;
  });
  const [last] = alike.sort((a, b) => (a.lineage.sessions[0].started < b.lineage.sessions[0].started ? 1 : -1));
  if (predicted.hours !== null || last === undefined || last.lineage.hours === 0) return predicted;
  const hours = (predicted.flops / predictedFlops(last.lineage)) * last.lineage.hours;
  return { ...predicted, hours, assumes: [...predicted.assumes, `the FLOP/s of ${last.name}`] };
}

/** Returns the lineage of a run that begins. */
export async function newLineage({ folder, kind, recipe, origin, device }: Beginning): Promise<Lineage> {
  const { initial, others = [], data = null, written, predicted = null } = origin;
  const price = machinePrice(recipe, device);
  const models = [...(initial === null ? [] : [{ role: 'initial weights', path: initial }]), ...others];
  const { parents, ancestors } = await readParents(models);
  const session = describeSession(device, 0);
  const config = { ...recipe, initial };
  const { seed } = recipe;
  const { started } = session;
  const before = folder === null ? [] : findRunsBeside(folder);
  const attempts = chargeAttempts({ kind, seed, started, parents, data, config, ancestors, weights: null }, before);
  return {
    format: 1,
    digest: null,
    kind,
    status: 'running',
    reason: '',
    weights: null,
    data,
    code: codeVersion(),
    seed,
    generator,
    computation: device.computation,
    config,
    parents,
    teachers: written?.teachers ?? [],
    charged: [...(written?.charged ?? []), ...attempts.charged],
    steps: 0,
    tokens: 0,
    flops: 0,
    work: noWork,
    predicted: predicted && predictHours(predicted, kind, session, before),
    hours: 0,
    cost: { amount: 0, currency: price.currency, pricePerHour: price.middle, price },
    energy: null,
    sessions: [session],
    notes: models.flatMap(({ role, path }) => describeEdits(path).map((text) => `${role}: ${text}`)),
    ancestors: mergeRecords(ancestors, written?.ancestors ?? [], attempts.ancestors),
  };
}

interface Continuation extends Beginning {
  readonly folder: string;
  readonly fromStep: number;
  /** The time of the last event, in milliseconds since 1970. */
  readonly lastEvent: number;
  /** The FLOPs of the run until its last event, as that says. */
  readonly lastFlops: number;
}

/** Returns the lineage with a further session. If the one before was killed, it counts until its last event. */
export function resumedLineage(before: Lineage, continuation: Continuation): Lineage {
  const { folder, kind, recipe, origin, device, fromStep, lastEvent, lastFlops } = continuation;
  const last = before.sessions.at(-1);
  const wasKilled = before.status === 'running';
  const seconds = last ? Math.max(last.seconds, (lastEvent - Date.parse(last.started)) / 1000) : 0;
  const counted = withSeconds(before, seconds, wasKilled ? null : (last?.joules ?? null));
  // Older files count the steps of pretraining, and nothing else.
  const known = before.work ?? (before.flops > 0 ? addWork(noWork, { training: before.flops }) : null);
  const work = known && addWork(known, { superseded: Math.max(0, lastFlops - totalFlops(known)) });
  const session = describeSession(device, fromStep);
  return {
    ...counted,
    kind,
    config: { ...recipe, initial: origin.initial },
    computation: before.computation ?? device.computation,
    status: 'running',
    reason: '',
    work,
    flops: work ? totalFlops(work) : before.flops,
    sessions: [...counted.sessions, session],
    notes: [...before.notes, ...findEdits(folder).map((text) => `${text}, before ${session.started}`)],
  };
}

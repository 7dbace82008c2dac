// Where a model comes from: lineage.json in the folder of a run and of each of its checkpoints.
//
// Contract: the file is valid at every moment (written aside and renamed), from the first second of a run on, also if
// the run fails or is stopped. Hashes are of contents, so that a model can be found again whatever its folder is
// called. A session that was killed counts until its last event. The cost is at the stated price per hour of this
// machine and includes everything the run did, evaluation and compilation too.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { hashFile } from '../../corpus/index.ts';
import { type Device, describeMachine, packageRoot, packageVersion } from '../../kernels/index.ts';
import { writeJson } from '../../model/checkpoint/index.ts';
import { TrainError } from '../errors.ts';
import type { RunRecipe } from './kind.ts';
import { describeIssue, quickList, readRunJson } from './run-file.ts';
import { steadyNow } from './steady-clock.ts';

const lineageFile = 'lineage.json';

/** Names how seeds become random numbers. A run is resumed only with the generator that it began with. */
export const generator = 'philox4x32-10';

const session = z.object({
  started: z.string(),
  seconds: z.number(),
  fromStep: z.number(),
  machine: z.string(),
  device: z.string(),
});

export const lineageSchema = z.object({
  format: z.literal(1),
  /** The name of the run kind. Older files have `pretraining`, `reinforcement`, `distillation`. */
  kind: z.string(),
  status: z.enum(['running', 'completed', 'stopped', 'failed']),
  reason: z.string(),
  /** sha256 of model.safetensors; null before the first checkpoint. */
  weights: z.string().nullable(),
  /** The corpus; null where a run makes its own data, as reinforcement learning does. */
  data: z
    .object({
      hash: z.string(),
      tokenizer: z.string(),
      documents: z.number(),
      tokens: z.number(),
      sources: quickList(z.object({ name: z.string(), sha256: z.string() })),
    })
    .nullable(),
  code: z.object({ version: z.string(), commit: z.string().nullable(), changed: z.boolean() }),
  seed: z.number(),
  /** The random generator; null in runs that began before there was only one. */
  generator: z.string().nullable().default(null),
  /** What decides the bits of the run's device; null in runs that began before it was recorded. */
  computation: z
    .object({ device: z.string(), isa: z.string(), arithmetic: z.string(), lanes: z.number() })
    .nullable()
    .default(null),
  /** The resolved recipe: with it, the data and the code the run can be made again. */
  config: z.unknown(),
  parents: quickList(z.object({ role: z.string(), weights: z.string() })),
  /** The models or APIs that wrote the training data, and how many tokens of it. */
  teachers: quickList(z.object({ name: z.string(), weights: z.string().nullable(), tokens: z.number() })).default([]),
  steps: z.number(),
  tokens: z.number(),
  flops: z.number(),
  hours: z.number(),
  cost: z.object({ amount: z.number(), currency: z.string(), pricePerHour: z.number() }),
  sessions: quickList(session),
});

export type Lineage = z.infer<typeof lineageSchema>;

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
  };
}

/** Reads the lineage of a run or checkpoint; null where there is none. Throws TrainError. */
export function readLineage(folder: string): Lineage | null {
  const path = join(folder, lineageFile);
  const value = readRunJson(path);
  if (value === undefined) return null;
  const checked = lineageSchema.safeParse(value);
  if (checked.success) return checked.data;
  throw new TrainError(path, `is no lineage (${describeIssue(checked.error)})`, 'remove it, or restore it');
}

export function writeLineage(folder: string, lineage: Lineage): Promise<void> {
  return writeJson(join(folder, lineageFile), lineage);
}

/** Returns the lineage with the hours and the cost that follow from `seconds` of the last session. */
export function withSeconds(lineage: Lineage, seconds: number): Lineage {
  const sessions = lineage.sessions.map((s, i) => (i === lineage.sessions.length - 1 ? { ...s, seconds } : s));
  const hours = sessions.reduce((sum, s) => sum + s.seconds, 0) / 3600;
  return { ...lineage, sessions, hours, cost: { ...lineage.cost, amount: hours * lineage.cost.pricePerHour } };
}

/** Hashes the weights that a run begins from. */
async function readParents(initial: string | null): Promise<Lineage['parents']> {
  if (initial === null) return [];
  const files = readdirSync(initial).filter((name) => /^model.*\.safetensors$/.test(name));
  const hashes = await Promise.all(files.sort().map((name) => hashFile(join(initial, name))));
  return hashes.map((weights) => ({ role: 'initial weights', weights }));
}

/** What the lineage of a run records of its beginning. */
export interface Origin {
  /** Folder of the weights that the run begins from; null: fresh ones. */
  readonly initial: string | null;
  /** The corpus; none where a run makes its own data. */
  readonly data?: Lineage['data'];
  /** Training FLOPs per token; 0 where they are not counted. */
  readonly flopsPerToken?: number;
}

interface Beginning {
  readonly kind: string;
  readonly recipe: RunRecipe;
  readonly origin: Origin;
  readonly device: Device;
}

/** Returns the lineage of a run that begins. */
export async function newLineage({ kind, recipe, origin, device }: Beginning): Promise<Lineage> {
  const { seed, currency, pricePerHour } = recipe;
  return {
    format: 1,
    kind,
    status: 'running',
    reason: '',
    weights: null,
    data: origin.data ?? null,
    code: codeVersion(),
    seed,
    generator,
    computation: device.computation,
    config: { ...recipe, initial: origin.initial },
    parents: await readParents(origin.initial),
    teachers: [],
    steps: 0,
    tokens: 0,
    flops: 0,
    hours: 0,
    cost: { amount: 0, currency, pricePerHour },
    sessions: [describeSession(device, 0)],
  };
}

interface Continuation extends Beginning {
  readonly fromStep: number;
  /** The time of the last event, in milliseconds since 1970. */
  readonly lastEvent: number;
}

/** Returns the lineage with a further session. If the one before was killed, it counts until its last event. */
export function resumedLineage(before: Lineage, continuation: Continuation): Lineage {
  const { kind, recipe, origin, device, fromStep, lastEvent } = continuation;
  const last = before.sessions.at(-1);
  const seconds = last ? Math.max(last.seconds, (lastEvent - Date.parse(last.started)) / 1000) : 0;
  const counted = withSeconds(before, seconds);
  const sessions = [...counted.sessions, describeSession(device, fromStep)];
  const config = { ...recipe, initial: origin.initial };
  const computation = before.computation ?? device.computation;
  return { ...counted, kind, config, computation, status: 'running', reason: '', sessions };
}

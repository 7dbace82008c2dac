// Where a model comes from, in a file beside it: of every run from its first second, failed and stopped ones too.
//
// Contract: lineage.json is valid at every moment (written aside and renamed); hashes are of contents, so that a model
// can be found again whatever its folder is called. A session that was killed counts until its last event. Costs are at
// the stated price of this machine's hour and include everything the run did, evaluation and compilation too.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type Dataset, hashFile } from '../../corpus/index.ts';
import { type Device, describeMachine, packageRoot, packageVersion } from '../../kernels/index.ts';
import { readJson, writeJson } from '../../model/checkpoint/index.ts';

const session = z.object({
  started: z.string(),
  seconds: z.number(),
  fromStep: z.number(),
  machine: z.string(),
  device: z.string(),
});

export const lineageSchema = z.object({
  format: z.literal(1),
  kind: z.enum(['pretraining', 'reinforcement', 'distillation']),
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
      sources: z.array(z.object({ name: z.string(), sha256: z.string() })),
    })
    .nullable(),
  code: z.object({ version: z.string(), commit: z.string().nullable(), changed: z.boolean() }),
  seed: z.number(),
  /** Resolved: with it, the data and the code the run can be made again. */
  config: z.unknown(),
  parents: z.array(z.object({ role: z.string(), weights: z.string() })),
  /** Who wrote what was learned from: a model or an interface, and how many tokens of it. */
  teachers: z.array(z.object({ name: z.string(), weights: z.string().nullable(), tokens: z.number() })).default([]),
  steps: z.number(),
  tokens: z.number(),
  flops: z.number(),
  hours: z.number(),
  cost: z.object({ amount: z.number(), currency: z.string(), pricePerHour: z.number() }),
  sessions: z.array(session),
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

/** Version and, in a clone, commit of the program. */
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
    started: new Date().toISOString(),
    seconds: 0,
    fromStep,
    machine: `${cpu}, ${cores} cores, ${Math.round(memoryBytes / 2 ** 30)} GiB, ${platform}, Node ${node}`,
    device: describeDevice(device),
  };
}

/** The file of a run or checkpoint, or null where there is none. */
export function readLineage(folder: string): Lineage | null {
  const path = join(folder, 'lineage.json');
  return existsSync(path) ? lineageSchema.parse(readJson(path)) : null;
}

export function writeLineage(folder: string, lineage: Lineage): Promise<void> {
  return writeJson(join(folder, 'lineage.json'), lineage);
}

/** The same with what `seconds` of the last session make of hours and cost. */
export function withSeconds(lineage: Lineage, seconds: number): Lineage {
  const sessions = lineage.sessions.map((s, i) => (i === lineage.sessions.length - 1 ? { ...s, seconds } : s));
  const hours = sessions.reduce((sum, s) => sum + s.seconds, 0) / 3600;
  return { ...lineage, sessions, hours, cost: { ...lineage.cost, amount: hours * lineage.cost.pricePerHour } };
}

/** The weights that a run begins from, by their content. */
async function parentsOf(initial: string | null): Promise<Lineage['parents']> {
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
  readonly dataset?: Dataset;
  /** Training FLOPs per token; 0 where they are not counted. */
  readonly flopsPerToken?: number;
}

/** What a configuration of any kind of run says for its lineage. */
export interface RunConfig {
  readonly seed: number;
  /** Folder of the weights that it begins from; null: fresh ones. */
  readonly initial: string | null;
  readonly pricePerHour: number;
  readonly currency: string;
}

function dataOf({ hash, tokenizerHash: tokenizer, documents, sources, train, validation }: Dataset): Lineage['data'] {
  return { hash, tokenizer, documents, tokens: train.tokens + validation.tokens, sources: [...sources] };
}

/** Of a run that begins. */
export async function newLineage(
  config: RunConfig,
  device: Device,
  {
    kind,
    dataset = null,
    teachers = [],
  }: Pick<Lineage, 'kind'> & {
    readonly dataset?: Dataset | null;
    readonly teachers?: Lineage['teachers'];
  },
): Promise<Lineage> {
  return {
    format: 1,
    kind,
    status: 'running',
    reason: '',
    weights: null,
    data: dataset && dataOf(dataset),
    code: codeVersion(),
    seed: config.seed,
    config,
    parents: await parentsOf(config.initial),
    teachers,
    steps: 0,
    tokens: 0,
    flops: 0,
    hours: 0,
    cost: { amount: 0, currency: config.currency, pricePerHour: config.pricePerHour },
    sessions: [describeSession(device, 0)],
  };
}

/** With a session added. The one before, if it was killed, counts until the time of its last event. */
export function resumedLineage(
  before: Lineage,
  config: RunConfig,
  device: Device,
  fromStep: number,
  lastEvent: number,
): Lineage {
  const last = before.sessions.at(-1);
  const lasted = last ? Math.max(last.seconds, (lastEvent - Date.parse(last.started)) / 1000) : 0;
  const counted = withSeconds(before, lasted);
  const sessions = [...counted.sessions, describeSession(device, fromStep)];
  return { ...counted, config, status: 'running', reason: '', sessions };
}

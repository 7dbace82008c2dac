// A short summary of a run, from the end of its events: cheap enough for a list, and read again only when files change.
//
// Contract: what the files of a run say is checked before it is shown. A run whose files cannot be read is shown as
// failed with the reason; other runs are not affected.
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type RunEvent, type RunKind, readRunJson, TrainError } from '../train/index.ts';
import { FileError, parseJson } from '../untrusted/index.ts';
import { type HeadlineValue, numberIn, toHeadline } from './chart-data.ts';
import { readEnds, readLastLines } from './event-lines.ts';
import { lastErrorLine, type ProcessState } from './launcher.ts';
import type { RunState, RunSummary } from './protocol.ts';
import { runFiles } from './run-folder.ts';

/** Milliseconds since 1970 that a date can show. */
const time = z.number().min(0).max(8.64e15);

/** What a summary reads of an event of any kind. */
const anyEvent = z.looseObject({
  event: z.string().max(100),
  time,
  step: z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).optional(),
  status: z.enum(['completed', 'stopped', 'failed']).optional().catch(undefined),
  reason: z.string().optional().catch(undefined),
});
type AnyEvent = z.infer<typeof anyEvent>;

/** What the files of a run say. */
export interface RunRecord {
  readonly last: AnyEvent | null;
  readonly step: RunEvent | null;
  readonly steps: number | null;
  readonly started: number | null;
  readonly headline: readonly HeadlineValue[];
  /** The last error that its process printed. */
  readonly printed: string;
  /** Whether its events can be read. */
  readonly isReadable: boolean;
  /** What is wrong with its files. */
  readonly problem: string | null;
}

const tailBytes = 64 * 1024;
const consoleBytes = 4096;
/** Lines that are no events, after which no more are tried. */
const maxDamaged = 100;

function parseLine(line: string): AnyEvent | null {
  try {
    const checked = anyEvent.safeParse(parseJson(line));
    return checked.success ? checked.data : null;
  } catch {
    return null; // the page of events says which line is damaged
  }
}

/**
 * Returns the events that a summary needs: the last one, those that say the number of steps, and of each name those of
 * its last step. Other lines are not parsed, which is most of the work of a list.
 */
function pickEvents(lines: readonly string[], names: readonly string[]): AnyEvent[] {
  const open = new Set(names);
  const lastStep = new Map<string, number | undefined>();
  const picked: AnyEvent[] = [];
  let damaged = 0;
  for (const line of lines.toReversed()) {
    const isNamed = [...open].some((name) => line.includes(`"event":"${name}"`));
    if (picked.length > 0 && !isNamed && !line.includes('"steps":')) continue;
    const event = parseLine(line);
    if (event === null && ++damaged === maxDamaged) break;
    if (event === null) continue;
    picked.push(event);
    if (!lastStep.has(event.event)) lastStep.set(event.event, event.step);
    else if (lastStep.get(event.event) !== event.step) open.delete(event.event);
  }
  return picked.reverse();
}

interface RecipeFacts {
  readonly steps: number | null;
  readonly problem: string | null;
}

/** Returns the number of steps of the recipe, or what is wrong with its file. */
function readRecipe(folder: string, kind: RunKind | null): RecipeFacts {
  if (kind === null) return { steps: null, problem: null };
  try {
    const recipe = (readRunJson(join(folder, kind.recipeFile)) ?? {}) as RunEvent;
    return { steps: numberIn(recipe, 'steps'), problem: null };
  } catch (error) {
    return { steps: null, problem: describeProblem(kind.recipeFile, error) };
  }
}

/** Returns the time of the first event, or of the start from a page. */
function findStartTime(folder: string, line: string | null): number | null {
  const first = line === null ? null : parseLine(line);
  return first?.time ?? lstatSync(join(folder, runFiles.console), { throwIfNoEntry: false })?.mtime.getTime() ?? null;
}

const nothing: RunRecord = {
  last: null,
  step: null,
  steps: null,
  started: null,
  headline: [],
  printed: '',
  isReadable: false,
  problem: null,
};

/** Says what is wrong with a file of a run, without its path. */
function describeProblem(file: string, error: unknown): string {
  if (error instanceof FileError) return `${file} ${error.problem}: ${error.remedy}`;
  if (error instanceof TrainError) return `${file}: ${error.message.replace(/^\[.*?\] /, '')}`;
  return `${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown reason'}): check its permissions`;
}

async function readRecord(folder: string, kind: RunKind | null): Promise<RunRecord> {
  try {
    const lines = await readEnds(join(folder, runFiles.events), tailBytes);
    const events = pickEvents(lines.last, ['step', ...(kind?.headline ?? []).map(({ event }) => event)]);
    if (lines.last.length > 0 && events.length === 0)
      throw new FileError('has no line that is an event', 'check that it is the right file');
    const recipe = readRecipe(folder, kind);
    const steps = events.map((event) => numberIn(event, 'steps')).findLast((each) => each !== null);
    const last = events.at(-1) ?? null;
    const isSilent = last?.status === undefined && last?.reason === undefined;
    const printed = isSilent ? await readLastLines(join(folder, runFiles.console), consoleBytes).catch(() => []) : [];
    return {
      last,
      step: events.findLast(({ event }) => event === 'step') ?? null,
      steps: steps ?? recipe.steps,
      started: findStartTime(folder, lines.first),
      headline: kind === null ? [] : toHeadline(kind.headline, events),
      printed: lastErrorLine(printed.join('\n')),
      isReadable: true,
      problem: recipe.problem,
    };
  } catch (error) {
    return { ...nothing, problem: describeProblem(runFiles.events, error) };
  }
}

/** Names the state of the files: another one means that they must be read again. */
function describeFiles(folder: string, kind: RunKind | null): string {
  const files = [runFiles.events, runFiles.console, ...(kind ? [kind.recipeFile] : [])];
  try {
    const found = files.map((file) => lstatSync(join(folder, file), { throwIfNoEntry: false }));
    return found.map((each) => (each ? `${each.ino} ${each.size} ${each.mtimeMs}` : '-')).join('; ');
  } catch {
    return ''; // not readable: it never equals what was read
  }
}

/** Remembers what the files of runs said, by folder. */
export class RunRecords {
  readonly #known = new Map<string, { readonly files: string; readonly record: RunRecord }>();

  async read(folder: string, kind: RunKind | null): Promise<RunRecord> {
    const files = describeFiles(folder, kind);
    const known = this.#known.get(folder);
    if (known !== undefined && known.files === files && files !== '') return known.record;
    const record = await readRecord(folder, kind);
    this.#known.set(folder, { files, record });
    return record;
  }

  /** Forgets all folders but these. */
  keep(folders: ReadonlySet<string>): void {
    for (const folder of this.#known.keys()) if (!folders.has(folder)) this.#known.delete(folder);
  }
}

function findState({ last, isReadable }: RunRecord, process: ProcessState): RunState {
  if (process.isLive && process.isStopping) return 'stopping';
  if (process.isLive) return last === null || last.event === 'ended' ? 'preparing' : 'running';
  if (last === null || !isReadable) return 'failed';
  return last.status ?? 'interrupted';
}

const maxProblem = 1000;

export function toSummary(name: string, kind: RunKind | null, record: RunRecord, process: ProcessState): RunSummary {
  const { last, step, steps, started, headline, printed } = record;
  const state = findState(record, process);
  const problem = record.problem ?? process.problem ?? (state === 'failed' ? (last?.reason ?? printed) : null);
  return {
    name,
    kind: kind?.name ?? null,
    state,
    problem: problem?.slice(0, maxProblem) ?? null,
    step: last?.step ?? step?.step ?? 0,
    steps,
    started,
    updated: last?.time ?? null,
    secondsLeft: state === 'running' && step ? numberIn(step, 'secondsLeft') : null,
    headline,
  };
}

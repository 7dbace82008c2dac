// A short summary of a run, from the end of its events and the process that has locked it: cheap enough for a list.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { readJson } from '../model/checkpoint/index.ts';
import { lockHolder, type RunEvent, type RunKind } from '../train/index.ts';
import { numberIn, toHeadline } from './chart-data.ts';
import { readLastLines, readLines } from './event-lines.ts';
import { lastErrorLine, type ProcessState } from './launcher.ts';
import type { RunState, RunSummary } from './protocol.ts';
import { runFiles } from './run-folder.ts';

/** The fields of the last event of any kind of run; lines were checked when they were written. */
interface EndedEvent extends RunEvent {
  readonly status?: 'completed' | 'stopped' | 'failed';
  readonly reason?: string;
}

const tailBytes = 64 * 1024;

function parseLines(lines: readonly string[]): EndedEvent[] {
  return lines.flatMap((line) => {
    try {
      const event = JSON.parse(line) as EndedEvent | null;
      return typeof event?.event === 'string' ? [event] : [];
    } catch {
      return []; // the page of events says which line is damaged
    }
  });
}

function findState(folder: string, last: EndedEvent | undefined, process: ProcessState): RunState {
  const isLive = process.isStarting || lockHolder(folder) !== null;
  if (isLive && process.isStopping) return 'stopping';
  if (isLive) return last === undefined || last.event === 'ended' ? 'preparing' : 'running';
  if (last === undefined) return 'failed';
  return last.status ?? 'interrupted';
}

/** Returns the number of steps, from the events or else from the recipe. */
function findSteps(folder: string, kind: RunKind | null, events: readonly RunEvent[]): number | null {
  const inEvents = events.map((event) => numberIn(event, 'steps')).findLast((steps) => steps !== null);
  if (inEvents !== undefined || kind === null) return inEvents ?? null;
  try {
    return numberIn(readJson(join(folder, kind.recipeFile)) as RunEvent, 'steps');
  } catch {
    return null;
  }
}

/** Returns the time of the first event, or of the start from a page. */
async function findStartTime(folder: string): Promise<number | null> {
  const { lines } = await readLines(join(folder, runFiles.events), 0, 1024);
  const [first] = parseLines(lines.slice(0, 1));
  return first?.time ?? statSync(join(folder, runFiles.console), { throwIfNoEntry: false })?.mtime.getTime() ?? null;
}

async function findProblem(folder: string, last: EndedEvent | undefined): Promise<string> {
  return last?.reason ?? lastErrorLine((await readLastLines(join(folder, runFiles.console), 4096)).join('\n'));
}

export async function summarizeRun(
  folder: string,
  name: string,
  process: ProcessState,
  kind: RunKind | null,
): Promise<RunSummary> {
  const events = parseLines(await readLastLines(join(folder, runFiles.events), tailBytes));
  const last = events.at(-1);
  const step = events.findLast(({ event }) => event === 'step');
  const state = findState(folder, last, process);
  return {
    name,
    kind: kind?.name ?? null,
    state,
    problem: process.problem ?? (state === 'failed' ? await findProblem(folder, last) : null),
    step: last?.step ?? step?.step ?? 0,
    steps: findSteps(folder, kind, events),
    started: await findStartTime(folder),
    updated: last?.time ?? null,
    secondsLeft: state === 'running' && step ? numberIn(step, 'secondsLeft') : null,
    headline: kind === null ? [] : toHeadline(kind.headline, events),
  };
}

// A run in a line, from the end of its events and the process that holds it: cheap enough to ask for all of them.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { readJson } from '../model/checkpoint/index.ts';
import { holderOf } from '../train/index.ts';
import { lastLines, linesFrom } from './event-lines.ts';
import { kindOf, runKinds } from './kind.ts';
import { lastWords } from './last-words.ts';
import type { RunState, RunSummary } from './protocol.ts';
import { runFiles } from './run-folder.ts';

/** What the server knows of a run that its folder does not say. */
export interface Known {
  /** Its process was asked to stop. */
  readonly isStopping: boolean;
  /** Its process is being started and does not hold the folder yet. */
  readonly isStarting: boolean;
  /** What its last process said when it ended badly. */
  readonly problem: string | null;
}

/** Some fields of events of any kind; lines were checked when they were written. */
interface Told {
  readonly event: string;
  readonly time: number;
  readonly step?: number;
  readonly steps?: number;
  readonly loss?: number | null;
  readonly accuracy?: number;
  readonly secondsLeft?: number;
  readonly status?: 'completed' | 'stopped' | 'failed';
  readonly reason?: string;
}

const tailBytes = 64 * 1024;

function toldIn(lines: readonly string[]): Told[] {
  return lines.flatMap((line) => {
    try {
      const told = JSON.parse(line) as Told | null;
      return typeof told?.event === 'string' ? [told] : [];
    } catch {
      return []; // the page of events says which line is wrong
    }
  });
}

function stateOf(folder: string, last: Told | undefined, { isStopping, isStarting }: Known): RunState {
  const isLive = isStarting || holderOf(folder) !== null;
  if (isLive && isStopping) return 'stopping';
  if (isLive) return last === undefined || last.event === 'ended' ? 'preparing' : 'running';
  if (last === undefined) return 'failed';
  return last.status ?? 'interrupted';
}

async function consoleOf(folder: string): Promise<string> {
  return (await lastLines(join(folder, runFiles.console), 4096)).join('\n');
}

function stepsOf(folder: string, told: readonly Told[]): number | null {
  const said = told.findLast(({ steps }) => steps !== undefined)?.steps;
  if (said !== undefined) return said;
  const kind = kindOf(folder);
  if (kind === null) return null;
  try {
    const { steps } = readJson(join(folder, runKinds[kind].config)) as { steps?: unknown };
    return typeof steps === 'number' ? steps : null;
  } catch {
    return null;
  }
}

/** The time of its first event, or of its start from a page. */
async function startedAt(folder: string): Promise<number | null> {
  const { lines } = await linesFrom(join(folder, runFiles.events), 0, 1024);
  const [first] = toldIn(lines.slice(0, 1));
  return first?.time ?? statSync(join(folder, runFiles.console), { throwIfNoEntry: false })?.mtime.getTime() ?? null;
}

export async function summarise(folder: string, name: string, known: Known): Promise<RunSummary> {
  const told = toldIn(await lastLines(join(folder, runFiles.events), tailBytes));
  const last = told.at(-1);
  const step = told.findLast(({ event }) => event === 'step');
  const state = stateOf(folder, last, known);
  const reason = state === 'failed' ? (last?.reason ?? lastWords(await consoleOf(folder))) : null;
  return {
    name,
    kind: kindOf(folder),
    state,
    problem: known.problem ?? reason,
    step: last?.step ?? step?.step ?? 0,
    steps: stepsOf(folder, told),
    started: await startedAt(folder),
    updated: last?.time ?? null,
    secondsLeft: state === 'running' ? (step?.secondsLeft ?? null) : null,
    loss: step?.loss ?? null,
    accuracy: step?.accuracy ?? null,
  };
}

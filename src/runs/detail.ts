// All that a run's folder holds for people: its recipe, its lineage, its results, the last lines it printed.
//
// Contract: events are read in pieces, so that a long run does not hold up the server, and its results are computed
// again only when its files have changed. Files that are damaged are refused in words that name them.
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { MinkeError } from '../kernels/index.ts';
import { ApiError } from '../server/index.ts';
import {
  type Fact,
  type Lineage,
  type RunEvent,
  type RunKind,
  readLineage,
  readRunJson,
  runFacts,
  withoutSuperseded,
} from '../train/index.ts';
import { FileError } from '../untrusted/index.ts';
import { parseEvent, readLastLines, readLines } from './event-lines.ts';
import { hidePaths } from './hide-paths.ts';
import type { RunDetail, RunSummary } from './protocol.ts';
import { runFiles } from './run-folder.ts';

const consoleBytes = 4096;
const pieceBytes = 256 * 1024;
/** The results of longer runs are left to `minke report`: they would hold up the server. */
const maxEvents = 200_000;
const tooLong: Fact = ['results', `more than ${maxEvents} events: minke report shows what they come to`];

/** Returns ApiError 422 for what is wrong with a run or its files, without paths, and any other error as it is. */
export function toRefusal(error: unknown, file: string, root: string, code = 'damaged_run'): unknown {
  if (error instanceof MinkeError) return new ApiError(422, hidePaths(error.message, root), { code });
  return error instanceof FileError ? new ApiError(422, `${file} ${error.problem}: ${error.remedy}`, { code }) : error;
}

/** Returns the events of a run, without superseded ones; null where there are too many. */
async function readAllEvents(path: string, name: string, { events: schema }: RunKind): Promise<RunEvent[] | null> {
  const events: RunEvent[] = [];
  for (let at = 0; ; ) {
    const { lines, next } = await readLines(path, at, pieceBytes);
    if (events.length + lines.length > maxEvents) return null;
    events.push(...lines.map((line) => parseEvent(line, schema, `${name}/${runFiles.events}`) as RunEvent));
    if (lines.length === 0) return withoutSuperseded(events);
    at = next;
  }
}

/** Remembers the results of the runs that were looked at last. */
export class RunResults {
  static readonly #maxRuns = 50;
  readonly #known = new Map<string, { readonly files: string; readonly facts: Promise<readonly Fact[]> }>();

  /** Returns the rows of name and value of a run's results. */
  read(folder: string, name: string, kind: RunKind, lineage: Lineage): Promise<readonly Fact[]> {
    const path = join(folder, runFiles.events);
    const { ino = 0, size = 0, mtimeMs = 0 } = lstatSync(path, { throwIfNoEntry: false }) ?? {};
    const files = `${ino} ${size} ${mtimeMs} ${JSON.stringify(lineage)}`;
    const known = this.#known.get(folder);
    if (known?.files === files) return known.facts;
    const facts = readAllEvents(path, name, kind).then((events) =>
      events ? runFacts(kind, events, lineage) : [tooLong],
    );
    facts.catch(() => this.#known.delete(folder));
    this.#known.delete(folder);
    this.#known.set(folder, { files, facts });
    for (const oldest of [...this.#known.keys()].slice(0, -RunResults.#maxRuns)) this.#known.delete(oldest);
    return facts;
  }
}

export async function readRunDetail(
  folder: string,
  run: RunSummary,
  kind: RunKind | null,
  results: RunResults,
): Promise<RunDetail> {
  const lineage = readLineage(folder);
  return {
    run,
    facts: kind && lineage ? await results.read(folder, run.name, kind, lineage) : [],
    config: kind && (readRunJson(join(folder, kind.recipeFile)) ?? null),
    lineage,
    console: await readLastLines(join(folder, runFiles.console), consoleBytes),
  };
}

// From the word that names a model to its path: paths as they are; names of the hub from the cache, or downloaded after
// it was said how large they are. Ctrl-C stops a download; the same command continues it.
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import {
  type DownloadPlan,
  formatModelName,
  HubError,
  type ModelName,
  type PulledModel,
  parseModelName,
  pullModel,
  readHubSettings,
} from '../hub/index.ts';
import { formatSize } from '../math/index.ts';
import type { DownloadFlags } from './download-flag.ts';
import { DownloadProgress } from './download-progress.ts';
import { interrupted, terminated } from './exit-codes.ts';

export interface FoundModel {
  readonly path: string;
  /** Its name on the hub; null where a path was given. */
  readonly name: string | null;
}

/** Asks at the terminal, or says that nobody can be asked: null. Ctrl-D is a no. */
export async function askYes(question: string): Promise<boolean | null> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return null;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  terminal.on('SIGINT', () => process.exit(interrupted));
  const answer = await new Promise<string>((resolve) => {
    terminal.on('close', () => resolve('n'));
    void terminal.question(`${question} [Y/n] `).then(resolve);
  });
  terminal.close();
  return /^(y|yes|)$/i.test(answer.trim());
}

function describePlan({ name, format, files, bytes, doneBytes, folder }: DownloadPlan): string {
  const count = `${files} ${files === 1 ? 'file' : 'files'}`;
  const begun = doneBytes > 0 ? `, of which ${formatSize(doneBytes)} are here` : '';
  return `${name} (${format}): ${formatSize(bytes)} in ${count}${begun}, to ${folder}`;
}

export interface DownloadOptions extends DownloadFlags {
  /** Whether weights are needed. @default true */
  readonly weights?: boolean;
  /** Whether a newer commit is asked for. @default false */
  readonly update?: boolean;
}

/** Downloads what the cache lacks of a model. A signal ends the process; what arrived stays. Throws HubError. */
export async function downloadModel(name: ModelName, options: DownloadOptions): Promise<PulledModel> {
  const { yes = false, weights = true, update = false } = options;
  const stopping = new AbortController();
  let progress: DownloadProgress | null = null;
  const stop = (signal: NodeJS.Signals) => {
    stopping.abort();
    progress?.end();
    console.error(`stopped; the same command continues${progress === null ? '' : ` after ${progress.describe()}`}`);
    process.exit(signal === 'SIGINT' ? interrupted : terminated);
  };
  const confirm = async (plan: DownloadPlan) => {
    console.error(`downloading ${describePlan(plan)}`);
    if (!yes && (await askYes('download?')) === false) return false;
    progress = new DownloadProgress(plan.bytes, plan.doneBytes);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);
    return true;
  };
  try {
    const pulled = await pullModel(name, {
      settings: readHubSettings(),
      weights,
      update,
      confirm,
      progress: (done) => progress?.reach(done),
      notice: (text) => console.error(text),
      signal: stopping.signal,
    });
    if (pulled !== null) return pulled;
  } finally {
    (progress as DownloadProgress | null)?.end();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop);
  }
  throw new HubError(formatModelName(name), 'was not downloaded', 'answer y, or name a model that is here: minke list');
}

/** Parses a name of the hub; null for what is a path. Throws HubError for a path that is not there. */
export function parseHubName(text: string): ModelName | null {
  const name = existsSync(text) ? null : parseModelName(text);
  const [first, ...rest] = text.split('/');
  if (name === null || !existsSync(first)) return name;
  const problem = `there is no ${rest.join('/')} in the folder ${first}`;
  throw new HubError(text, problem, `check the path, or write hf.co/${text} for the model of that name`);
}

/** Finds a model by its path or name. */
export async function findModel(text: string, options: DownloadOptions): Promise<FoundModel> {
  const name = parseHubName(text);
  if (name === null) return { path: text, name: null };
  return { path: (await downloadModel(name, options)).path, name: formatModelName(name) };
}

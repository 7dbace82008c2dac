// Shared by tests of runs: a folder of runs with events of the test's choice, an app, programs in the place of minke.
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { type App, type AppOptions, createApp } from '../server/index.ts';
import type { RunKind } from '../train/index.ts';
import { lineageSchema } from '../train/run/lineage.ts';
import { type RunsOptions, type RunsService, serveRuns } from './index.ts';

/** A kind of run that only tests know: it guesses a number. */
export const guessing: RunKind = {
  name: 'guess',
  title: 'Guessing',
  about: 'guess a number, closer in every step',
  recipeFile: 'guess.json',
  recipe: z.strictObject({
    target: z.number(),
    steps: z.number().default(10),
    keepCheckpoints: z.number().default(1),
    saveMinutes: z.number().default(5),
    seed: z.number().default(1),
    pricePerHour: z.number().default(0),
    currency: z.string().meta({ names: 'text' }).default('USD'),
  }),
  events: z.object({ event: z.string(), time: z.number(), step: z.number(), distance: z.number().optional() }),
  fixedFields: [],
  mainFields: ['steps'],
  arguments: [{ flag: 'target', path: 'target', type: 'number', isRequired: true, about: 'the number to guess' }],
  examples: [{ line: 'guess --target 3', about: 'guess 3' }],
  charts: [
    {
      id: 'distance',
      title: 'Distance',
      unit: 'to the target',
      format: 'number',
      series: [{ name: 'guess', event: 'step', field: 'distance' }],
    },
  ],
  headline: [{ label: 'Distance', event: 'step', field: 'distance', format: 'number' }],
  open: () => Promise.reject(new Error('not opened by these tests')),
  facts: (events, { steps }) => [['guesses', `${events.length} events, ${steps} steps`]],
  line: () => null,
};

export const step = (n: number, more: object = {}) => ({
  event: 'step',
  time: 1000 + n,
  step: n,
  tokens: 64 * n,
  loss: 3 - n / 10,
  gradientNorm: 1,
  learningRate: 1e-3,
  tokensPerSecond: 100,
  mfu: 0.1,
  maxVio: 0.5,
  memoryBytes: 1,
  secondsLeft: 10 - n,
  ...more,
});
export const ended = (n: number, status: string, reason = 'all steps are done') => ({
  event: 'ended',
  time: 2000,
  step: n,
  status,
  reason,
});

/** The lineage of a run that took one step. */
export const testLineage = lineageSchema.parse({
  format: 1,
  kind: 'pretrain',
  status: 'stopped',
  reason: '',
  weights: null,
  data: null,
  code: { version: '1', commit: null, changed: false },
  seed: 1,
  config: {},
  parents: [],
  steps: 1,
  tokens: 1,
  flops: 1,
  hours: 1,
  cost: { amount: 1, currency: 'USD', pricePerHour: 1 },
  sessions: [],
});

const config = { steps: 10, batchSize: 2 };

export interface TestRuns {
  readonly folder: string;
  readonly app: App;
  readonly service: RunsService;
  /** Writes the files of a run; events are objects, or texts that are written as they are. */
  run(name: string, events: readonly (object | string)[], recipe?: string): string;
  append(name: string, ...events: readonly (object | string)[]): void;
  get(path: string, init?: RequestInit): Promise<Response>;
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  close(): Promise<void>;
}

const lines = (events: readonly (object | string)[]) =>
  events.map((event) => (typeof event === 'string' ? event : `${JSON.stringify(event)}\n`)).join('');

/** Returns a program in the place of minke: `script` sees its arguments in process.argv and its folder as `run`. */
export function programFor(script: string): string[] {
  const train = JSON.stringify(new URL('../train/index.js', import.meta.url).href);
  const prelude = `
    const lock = () => import(${train}).then(({ withRunLock }) => withRunLock(run, (stopping) => new Promise(() =>
      stopping.addEventListener('abort', () => process.emit('SIGINT')))));
    const fs = require('node:fs'), path = require('node:path');
    const run = process.argv.find((a) => a.startsWith('--run=')).slice(6);
    const at = (name) => path.join(run, name);
    const emit = (event) =>
      fs.appendFileSync(at('events.jsonl'), JSON.stringify({ time: Date.now(), ...event }) + '\\n');
    const end = (status, reason) => { emit({ event: 'ended', step: 1, status, reason }); process.exit(0); };
  `;
  return [process.execPath, '-e', `${prelude}${script}`, '--'];
}

export function openRuns(options: Partial<RunsOptions> = {}, appOptions: AppOptions = {}): TestRuns {
  const folder = mkdtempSync(join(tmpdir(), 'minke-runs-'));
  const service = serveRuns({ folder, program: programFor("console.error('[x] no'); process.exit(1)"), ...options });
  const app = createApp([], { routes: [service.routes], ...appOptions });
  return {
    folder,
    app,
    service,
    run(name, events, recipe = 'config.json') {
      const at = join(folder, name);
      mkdirSync(at, { recursive: true });
      writeFileSync(join(at, recipe), JSON.stringify(config));
      writeFileSync(join(at, 'events.jsonl'), lines(events));
      return at;
    },
    append: (name, ...events) => appendFileSync(join(folder, name, 'events.jsonl'), lines(events)),
    get: (path, init) => app.fetch(new Request(`http://localhost${path}`, init)),
    post: (path, body = {}, headers = {}) =>
      app.fetch(
        new Request(`http://localhost${path}`, {
          method: 'POST',
          body: JSON.stringify(body),
          headers: { 'content-type': 'application/json', ...headers },
        }),
      ),
    async close() {
      await service.close();
      await app.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function refused(response: Response | Promise<Response>, status: number, message: RegExp): Promise<void> {
  const answer = await response;
  const { error } = (await answer.json()) as { error: { message: string } };
  assert.match(error.message, message);
  assert.equal(answer.status, status, error.message);
}

/** Yields the frames of a stream as they arrive: event, data and id. */
export async function* frames(response: Response): AsyncGenerator<{ event: string; id: string; data: Frame }> {
  let text = '';
  for await (const part of (response.body as ReadableStream<Uint8Array>).pipeThrough(
    new TextDecoderStream() as never,
  )) {
    text += part as string;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const frame = text.slice(0, end);
      text = text.slice(end + 2);
      if (frame.startsWith(':')) {
        yield { event: 'comment', id: '', data: {} };
        continue;
      }
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(frame)?.[1] ?? '';
      yield { event: field('event') || 'message', id: field('id'), data: JSON.parse(field('data')) as Frame };
    }
  }
}

interface Frame {
  readonly events?: readonly { readonly event: string; readonly step: number }[];
  readonly next?: number;
  readonly run?: { readonly state: string };
  readonly message?: string;
}

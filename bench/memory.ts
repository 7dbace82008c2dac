// The memory of a server over one GGUF file: after loading, after a first prompt, after streams; and what the first
// prompt of a size costs beside the second.
//
// The server is `minke serve` as users start it, in a process of its own; the system counts its memory and its CPU
// time, in which other processes do not count. Linux only, where /proc says both.
import { spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Random } from '../src/math/index.ts';
import type { Bench } from './harness.ts';

const cacheMebibytes = 256;
const contextLength = 4096;
const promptLength = 512;
const streams = 8;
/** Ids that every model has. */
const [firstId, ids] = [100, 900];
/** What a server may hold beside the cache that was asked for: so many times the file, and so many bytes. */
const allowed = { share: 1.3, bytes: 300e6 };

interface Server {
  readonly url: string;
  /** Bytes in memory now. */
  memory(): number;
  /** Seconds of CPU time so far, of all threads. */
  cpu(): number;
  close(): Promise<void>;
}

const cli = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));

async function openServer(file: string): Promise<Server> {
  const limits = ['--context', `${contextLength}`, '--cache-memory', `${cacheMebibytes}`];
  const args = [cli, 'serve', file, '--port', '0', '--no-log', '--no-app', ...limits];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    let text = '';
    const read = (part: Buffer) => {
      text += part;
      const [found] = /http:\/\/[\w.]+:\d+/.exec(text) ?? [];
      if (found) resolve(found);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', () => reject(new Error(`the server ended: ${text}`)));
  });
  const proc = (name: string) => readFileSync(`/proc/${child.pid}/${name}`, 'utf8');
  return {
    url,
    memory: () => 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(proc('status'))?.[1]),
    cpu: () => {
      const [user, system] = (proc('stat').split(') ')[1] as string).split(' ').slice(11, 13);
      return (Number(user) + Number(system)) / 100;
    },
    close: () => {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

async function ask({ url }: Server, prompt: readonly number[], tokens: number): Promise<void> {
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt, max_tokens: tokens, temperature: 0, ignore_eos: true }),
  });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  await response.text();
}

/** Memory in bytes after each stage, and seconds of CPU time of two prompts of one size. */
async function measureOnce(file: string, seed: number) {
  const server = await openServer(file);
  const random = new Random(seed);
  const newPrompt = (length: number) => Array.from({ length }, () => firstId + random.below(ids));
  const timed = async (length: number) => {
    const before = server.cpu();
    await ask(server, newPrompt(length), 1);
    return server.cpu() - before;
  };
  try {
    const loaded = server.memory();
    await ask(server, newPrompt(16), 2); // what every first request pays, of any size
    const first = await timed(promptLength);
    const prompted = server.memory();
    const second = await timed(promptLength);
    for (let round = 0; round < 2; round++)
      await Promise.all(Array.from({ length: streams }, (_, i) => ask(server, newPrompt(64 + 24 * i), 32)));
    return { loaded, prompted, served: server.memory(), first, second };
  } finally {
    await server.close();
  }
}

export async function serverMemory(bench: Bench, file: string): Promise<void> {
  if (process.platform !== 'linux')
    throw new Error('the memory of another process is read from /proc: run it on Linux');
  const all: Awaited<ReturnType<typeof measureOnce>>[] = [];
  for (let round = 0; round < bench.rounds; round++) all.push(await measureOnce(file, round));
  const name = basename(file);
  const { size } = statSync(file);
  const inMegabytes = (key: 'loaded' | 'prompted' | 'served') => all.map((each) => each[key] / 1e6);
  const atMost = (allowed.share * size + allowed.bytes + cacheMebibytes * 2 ** 20) / 1e6;
  bench.value(`${name}: the file`, 'MB', [size / 1e6]);
  bench.value(`${name}: loaded`, 'MB', inMegabytes('loaded'));
  bench.value(`${name}: after a prompt of ${promptLength}`, 'MB', inMegabytes('prompted'));
  bench.value(`${name}: after ${streams} streams, twice`, 'MB', inMegabytes('served'), { atMost });
  bench.value(
    `${name}: CPU time of the second prompt of a size over the first's`,
    'x',
    all.map(({ first, second }) => second / first),
    { atLeast: 0.9 },
    true,
  );
}

// What the soak sends: ordinary requests, clients that leave, stall or send nonsense, and inputs made to hold up or end
// the server.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { packageRoot } from '../src/kernels/root.ts';
import type { Random } from '../src/math/index.ts';

const bundled = join(packageRoot(), 'models/minke');
type Files = Readonly<Record<'tokenizer' | 'config', Record<string, unknown>>>;

const split = { type: 'Split', pattern: { Regex: '(a+)+$' }, behavior: 'Isolated', invert: false };
const bytes = { type: 'ByteLevel', add_prefix_space: false, use_regex: false };
const tenfold = { type: 'Replace', pattern: { String: 'a' }, content: 'aaaaaaaaaa' };

/** Tokenizers and templates, each with one hostile field. */
const hostile: Readonly<Record<string, (files: Files) => void>> = {
  pattern: ({ tokenizer }) => {
    tokenizer.pre_tokenizer = { type: 'Sequence', pretokenizers: [split, bytes] };
  },
  growth: ({ tokenizer }) => {
    tokenizer.normalizer = { type: 'Sequence', normalizers: Array.from({ length: 9 }, () => tenfold) };
  },
  loop: ({ config }) => {
    config.chat_template = '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}';
  },
  memory: ({ config }) => {
    config.chat_template = '{% for i in range(1000000000) %}x{% endfor %}';
  },
};
export const hostileNames = Object.keys(hostile);

/** Writes the files of the hostile models, and run folders that lie. */
export function writeHostileFiles(folder: string): void {
  for (const [name, spoil] of Object.entries(hostile)) {
    const path = join(folder, name);
    cpSync(bundled, path, { recursive: true });
    const read = (file: string) => JSON.parse(readFileSync(join(path, file), 'utf8'));
    const files = { tokenizer: read('tokenizer.json'), config: read('tokenizer_config.json') };
    spoil(files);
    writeFileSync(join(path, 'tokenizer.json'), JSON.stringify(files.tokenizer));
    writeFileSync(join(path, 'tokenizer_config.json'), JSON.stringify(files.config));
  }
  const run = (name: string): string => {
    const path = join(folder, 'runs', name);
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'rl.json'), '{}');
    return path;
  };
  for (let i = 0; i < 50; i++) writeFileSync(join(run(`plain-${i}`), 'events.jsonl'), '{"event":"step","step":1}\n');
  const endless = join(run('endless'), 'events.jsonl');
  writeFileSync(endless, '');
  truncateSync(endless, 3 * 2 ** 30);
  mkdirSync(join(run('folder'), 'events.jsonl'));
  writeFileSync(join(run('deep'), 'config.json'), '['.repeat(1e6));
  writeFileSync(join(run('process'), 'process.json'), '{"pid":-1,"began":null}');
  if (process.platform !== 'win32') execFileSync('mkfifo', [join(run('pipe'), 'events.jsonl')]);
}

const evil = `${'a'.repeat(40)}!`;
const user = (content: string) => [{ role: 'user', content }];
const list = (part: string, count: number) => `{"prompt":[${part.repeat(count)}1]}`;

/** Bodies that take long to read, to check or to encode, and the status that refuses them. */
const large: readonly (() => readonly [path: string, body: string, status: number])[] = [
  () => ['/v1/chat/completions', JSON.stringify({ messages: user('a'.repeat(4e6)) }), 400],
  () => ['/v1/chat/completions', JSON.stringify({ messages: user('字 x'.repeat(1e6)) }), 400],
  () => ['/v1/completions', JSON.stringify({ prompt: '1 + 2 '.repeat(7e5 / 6) }), 400],
  () => ['/v1/completions', JSON.stringify({ prompt: Array(900).fill('1 + 2 '.repeat(1000)) }), 400],
  () => ['/v1/completions', list('5,', 1e6), 400],
  () => ['/v1/completions', list('0.5,', 1e5), 422],
  () => ['/v1/completions', list('[],', 2e6), 400],
  () => ['/v1/completions', '[{"a":'.repeat(1e6), 400],
  () => ['/v1/chat/completions', `{"messages":[${'{},'.repeat(4000)}{}]}`, 422],
  () => ['/v1/chat/completions', JSON.stringify({ messages: Array(4000).fill(user('hello '.repeat(50))[0]) }), 200],
  () => ['/tokenize', JSON.stringify({ prompt: '1 + 2 '.repeat(6e5) }), 200],
  () => ['/detokenize', `{"tokens":[${'5,'.repeat(5e5)}5]}`, 200],
];

export interface Sent {
  readonly name: string;
  readonly status: number;
}

async function send(url: string, path: string, body: string, init: RequestInit = {}): Promise<number> {
  const response = await fetch(url + path, { method: 'POST', body, ...init });
  await response.text();
  return response.status;
}

/** A client that leaves after some milliseconds. */
async function leave(url: string, path: string, body: string, ms: number): Promise<number> {
  try {
    return await send(url, path, body, { signal: AbortSignal.timeout(ms) });
  } catch {
    return 0;
  }
}

/** Writes bytes to a socket, reads nothing, and closes it after some milliseconds, if the server has not. */
function stall({ hostname, port }: URL, written: string, ms: number): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => socket.write(written));
    socket.pause();
    const timer = setTimeout(() => socket.destroy(), ms);
    socket
      .on('error', () => {})
      .on('close', () => {
        clearTimeout(timer);
        resolve(0);
      });
  });
}

function toHttp(path: string, body: string): string {
  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return head + body;
}

function tear(text: string, random: Random): string {
  const at = random.below(text.length);
  return random.chance(0.5) ? text.slice(0, at) : `${text.slice(0, at)}\u0000${text.slice(at + 1)}`;
}

/** Sends one request of the mix, or an ordinary one. Throws where the answer is not one that it may have. */
export async function attack(url: string, random: Random, i: number, isOrdinary: boolean): Promise<Sent> {
  const path = random.pick(['/v1/chat/completions', '/v1/completions']);
  const content = `${random.below(99)} + ${random.below(99)}`;
  const [chat, stream] = [path.includes('chat'), random.chance(0.5)];
  const body = JSON.stringify({
    [chat ? 'messages' : 'prompt']: chat ? user(content) : content,
    model: 'good',
    stream,
    max_tokens: 1 + random.below(24),
    seed: i,
  });
  const expect = (name: string, status: number, ...allowed: number[]): Sent => {
    if (allowed.includes(status)) return { name, status };
    throw new Error(`request ${i} (${name}): status ${status} instead of ${allowed}`);
  };
  const kind = isOrdinary ? 0 : random.uniform();
  if (kind < 0.5) return expect('plain', await send(url, path, body), 200, 429);
  if (kind < 0.7) return { name: 'leaves', status: await leave(url, path, body, random.below(40)) };
  if (kind < 0.8) return expect('torn', await send(url, path, tear(body, random)), 200, 400, 404, 422, 429);
  if (kind < 0.85) {
    const route = random.pick(['/runs', '/runs/endless', '/runs/pipe', '/runs/deep', '/runs/folder', '/metrics']);
    const response = await fetch(url + route);
    await response.text();
    return expect(route, response.status, 200, 409, 422, 404);
  }
  if (kind < 0.9) {
    const half = toHttp(path, body).slice(0, 20 + random.below(100));
    return { name: 'half', status: await stall(new URL(url), half, random.below(200)) };
  }
  if (kind < 0.92) {
    const endless = toHttp('/v1/completions', JSON.stringify({ prompt: '1', stream: true, max_tokens: 500 }));
    return { name: 'reads nothing', status: await stall(new URL(url), endless, random.below(3000)) };
  }
  if (kind < 0.96) {
    const headers = Object.fromEntries(Array.from({ length: 400 }, (_, n) => [`x-${n}`, 'a'.repeat(random.below(60))]));
    return expect('headers', await send(url, path, body, { headers }), 200, 429, 431);
  }
  if (kind < 0.99) return expect('plain', await send(url, '/tokenize', JSON.stringify({ prompt: content })), 200);
  if (kind < 0.995) {
    const [route, text, status] = random.pick(large)();
    if (random.chance(0.3)) return { name: 'large, leaves', status: await leave(url, route, text, random.below(300)) };
    return expect(`large ${route}`, await send(url, route, text), status, 400, 429);
  }
  const model = random.pick(hostileNames);
  const asked = JSON.stringify({ model, messages: user(evil), max_tokens: 4 });
  return expect(`hostile ${model}`, await send(url, '/v1/chat/completions', asked), 422, 429);
}

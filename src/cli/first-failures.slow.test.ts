// What people meet first when something is missing, taken, wrong or small: a sentence and an exit code, from outside.
// npm test -- cli/first
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { packageRoot } from '../kernels/root.ts';

const main = join(packageRoot(), 'dist/src/cli/main.js');
const model = join(packageRoot(), 'models/minke');
const isPosix = process.platform !== 'win32';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'minke-first-'));
});
after(() => rmSync(folder, { recursive: true }));

function minke(args: readonly string[], input: string | Buffer = ''): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', cwd: folder, input });
}

/** Runs a command line under a limit of the shell, such as `-n 64`. */
function minkeWithin(limit: string, args: readonly string[]): SpawnSyncReturns<string> {
  const words = [process.execPath, main, ...args].map((word) => `'${word}'`);
  return spawnSync('sh', ['-c', `ulimit ${limit} && exec ${words.join(' ')}`], { encoding: 'utf8', cwd: folder });
}

/** Asserts that a command fails with one line and a code. */
function assertRefused(result: SpawnSyncReturns<string>, status: number, line: RegExp): void {
  assert.equal(result.status, status, result.stderr);
  assert.match(result.stderr, line);
  assert.doesNotMatch(result.stderr, /^ +at |node:internal/m);
}

describe('a command line that cannot work', () => {
  for (const [words, line] of [
    ['pretrain nano', /^\[--data\] is missing; add --data <files\.\.\.>/],
    ['rl countdown-zero', /^\[--model\] is missing; add --model <folder>/],
    ['sft --data a.jsonl', /^\[--model\] is missing/],
    ['distill --student a --teacher b --traces many', /'--traces <n>' argument 'many' is invalid\. Expected a number/],
    ['eval some-model', /^\[eval\] expected either a recipe or tasks; as in: minke eval/],
    ['chat some-model --temperature banana', /'--temperature <t>' argument 'banana' is invalid\. Expected a number/],
    ['chat some-model --temperature -1', /Expected 0 \(greedy\) or more/],
    ['chat some-model --top-p 1.5', /Expected a number above 0 and at most 1/],
    ['serve some-model --port 99999', /Expected a port from 0 to 65535/],
    [
      'serve some-model --host 0.0.0.0',
      /^\[--host\] other machines can reach 0\.0\.0\.0, and no key is set; add --key/,
    ],
    ['chatt', /unknown command 'chatt'\n\(Did you mean chat\?\)/],
    ['', /^Usage: minke/],
  ] as const)
    test(`minke ${words}`, () => assertRefused(minke(words.split(' ').filter((word) => word !== '')), 2, line));

  test('help that is asked for is no mistake', () => {
    for (const words of [['--help'], ['help'], ['help', 'chat'], ['chat', '--help']])
      assert.equal(minke(words).status, 0, words.join(' '));
  });

  test('files: missing, a folder, no text', () => {
    writeFileSync(join(folder, 'bytes.txt'), Buffer.from([0x61, 0xff]));
    assertRefused(minke(['chat', 'nothing']), 1, /^\[.*nothing.*\] .*; /);
    assertRefused(minke(['pretrain', 'nano', '--data', '.']), 1, /^\[\.\] is not a file; name files/);
    assertRefused(minke(['pretrain', 'nano', '--data', 'bytes.txt', '--run', 'r']), 1, /byte 1 is not valid UTF-8/);
  });
});

test('a working directory that is gone', { skip: !isPosix }, () => {
  const text = `mkdir gone && cd gone && rmdir ../gone && '${process.execPath}' '${main}' pretrain nano --data a.txt`;
  const result = spawnSync('sh', ['-c', text], { encoding: 'utf8', cwd: folder, timeout: 30_000 });
  assertRefused(result, 1, /^\[minke\] the working directory is gone; change to one that exists$/m);
});

describe('a port', () => {
  test('that is taken: the next free one is offered, before the model loads', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const line = new RegExp(`^\\[--port\\] ${port} is taken by another program; add --port \\d+, which is free\\n$`);
    assertRefused(minke(['serve', 'no-model', '--port', `${port}`]), 1, line);
    assertRefused(minke(['watch', '--port', `${port}`]), 1, line);
    taken.close();
  });

  test('of an API where nobody listens: eval says so at once', () => {
    const words = ['eval', 'http://127.0.0.1:47/v1', '--task', 'arithmetic'];
    assertRefused(minke(words), 1, /127\.0\.0\.1:47\/v1\/completions\] cannot be reached \(.*ECONNREFUSED/);
  });
});

describe('chat on a pipe', () => {
  const flags = ['chat', model, '--temperature', '0', '--max-tokens', '4', '--cache-memory', '8'];

  test('answers every line, also the last without an end', () => {
    const { status, stdout } = minke(flags, '2 + 2\n\n3 + 3\n4 + 4');
    assert.equal(status, 0);
    assert.equal(stdout.match(/4 tokens, .*first token after/g)?.length, 3);
    assert.doesNotMatch(stdout, /^> |type a message/m);
  });

  test('a refused line gives exit code 1, and the next is answered', () => {
    const { status, stdout, stderr } = minke(flags, `${'1 + '.repeat(2000)}\n2 + 2\n`);
    assert.equal(status, 1);
    assert.match(stderr, /context/);
    assert.equal(stdout.match(/4 tokens, /g)?.length, 1);
  });

  test('bytes that are no text are refused', () =>
    assertRefused(minke(flags, Buffer.from([0xff, 0x0a])), 1, /^\[chat\] the input is not valid UTF-8; /m));

  test('SIGINT ends it with 130', { skip: !isPosix }, async () => {
    const child = spawn(process.execPath, [main, ...flags], { stdio: ['pipe', 'pipe', 'ignore'] });
    child.stdin.on('error', () => undefined).end('2 + 2\n'.repeat(100_000));
    child.stdout.once('data', () => child.kill('SIGINT')).resume();
    assert.equal(await new Promise((done) => child.on('close', done)), 130);
  });
});

describe('small limits', { skip: !isPosix }, () => {
  const chat = ['chat', model, '--prompt', '2 + 2', '--max-tokens', '2', '--cache-memory', '8'];

  test('64 file handles are enough', () => {
    for (const words of [['--version'], ['--help'], ['inspect', 'nano'], chat]) {
      const { status, stderr } = minkeWithin('-n 64', words);
      assert.equal(status, 0, `${words[0]}: ${stderr}`);
    }
  });

  test('3 GB of addresses are enough', { skip: process.platform !== 'linux' }, () => {
    for (const words of [['--version'], ['--help'], ['inspect', 'nano']]) {
      const { status, stderr } = minkeWithin('-v 3000000', words);
      assert.equal(status, 0, `${words[0]}: ${stderr}`);
    }
    const { status, stderr } = minkeWithin('-v 3000000', chat);
    if (status !== 0) assert.match(stderr, /^\[open\] no memory for WebAssembly; /); // a machine without a compiler
  });

  test('a heap of 64 MB is enough', () => {
    const { status, stderr } = spawnSync(process.execPath, ['--max-old-space-size=64', main, ...chat], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
  });

  test('a disk that is full: what is written there is named', { skip: process.platform !== 'linux' }, () => {
    const { status, stderr } = spawnSync('sh', ['-c', `'${process.execPath}' '${main}' inspect nano > /dev/full`], {
      encoding: 'utf8',
    });
    assert.equal(status, 1);
    assert.match(stderr, /the disk is full; free some space/);
  });
});

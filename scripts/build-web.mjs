// Checks the types of web/ and builds it into dist/web, unless it stands there already, made from the same sources.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildKey, isBuilt, markBuilt } from './cache.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, 'dist', 'web');
const targets = [join(out, 'index.html')];
const own = readFileSync(fileURLToPath(import.meta.url));
// The page has code of these modules in it.
const shared = ['src/math', 'src/model', 'src/planner', 'src/runs', 'src/train/run'].map((folder) =>
  buildKey(join(root, folder), []),
);
const key = buildKey(join(root, 'web'), [], own, readFileSync(join(root, 'package-lock.json')), ...shared);

// Types of the server's protocol may have changed where nothing of web/ did.
const tsc = [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'web')];
const { status } = spawnSync(process.execPath, tsc, { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);
if (isBuilt(targets, key)) process.exit(0);

/** Every browser that knows the page's other needs reads woff2: the same fonts in older forms stay out. */
const oneFontForm = {
  name: 'one-font-form',
  enforce: 'pre',
  transform(code, id) {
    if (!id.includes('katex.min.css')) return null;
    return code.replace(/,url\([^)]*\.(?:woff|ttf)\) format\("(?:woff|truetype)"\)/g, '');
  },
};

const { build } = await import('vite');
const started = performance.now();
await build({
  configFile: false,
  root: join(root, 'web'),
  base: './',
  logLevel: 'warn',
  plugins: [oneFontForm],
  build: {
    outDir: out,
    emptyOutDir: true,
    target: 'es2023',
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'], // light-dark()
    assetsInlineLimit: 0, // the content security policy knows no data: addresses
    modulePreload: { polyfill: false },
    rolldownOptions: { checks: { bundlerTimings: false } }, // a busy machine is no fault of the build
  },
});
markBuilt(targets, key);
console.log(`[web] built in ${((performance.now() - started) / 1000).toFixed(1)} s`);

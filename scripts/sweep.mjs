// Removes from dist what was compiled from a file that is no longer there: tsc leaves it, and npm pack would ship it.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

for (const folder of ['src', 'test', 'bench', 'recipes']) {
  const compiled = join(root, 'dist', folder);
  if (!existsSync(compiled)) continue;
  for (const file of readdirSync(compiled, { recursive: true })) {
    const source = file.replace(/\.(js|js\.map|d\.ts)$/, '.ts');
    if (source !== file && !existsSync(join(root, folder, source))) rmSync(join(compiled, file));
  }
}

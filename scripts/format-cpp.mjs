// Formats the C++ kernels by .clang-format, or with --check says which files differ. npm run format, npm run check
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format } from '@wasm-fmt/clang-format';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'src/kernels/cpp');
const style = readFileSync(join(root, '.clang-format'), 'utf8');
const isCheck = process.argv.includes('--check');
const wrong = [];

for (const name of readdirSync(folder)) {
  const path = join(folder, name);
  const text = readFileSync(path, 'utf8');
  const formatted = format(text, name.replace(/\.h$/, '.hpp'), style);
  if (formatted === text) continue;
  wrong.push(name);
  if (!isCheck) writeFileSync(path, formatted);
}

if (isCheck && wrong.length > 0) {
  console.error(`[format] ${wrong.join(', ')} in src/kernels/cpp differ from .clang-format; run npm run format`);
  process.exit(1);
}

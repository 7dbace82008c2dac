// The app in the browser, as files that were built: read once, held in memory, served with rules for the page.
//
// Everything under assets/ has its content's hash in its name and may be kept for ever; the page itself is asked for
// again each time. The policy lets the page load from here and nowhere else, run no script and read no style that is
// not a file of ours, be framed by nobody; what makes HTML of a text must be DOMPurify.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import { gzipSync } from 'node:zlib';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

const policy = [
  ...["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "font-src 'self'"],
  ...["connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
  ...["require-trusted-types-for 'script'", 'trusted-types dompurify'],
].join('; ');

const rules = {
  'content-security-policy': policy,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

class AppFile {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #tag: string;
  /** null: smaller as it is. */
  readonly #packed: Uint8Array<ArrayBuffer> | null;

  constructor(path: string, bytes: Uint8Array<ArrayBuffer>, type: string) {
    this.#bytes = bytes;
    this.#tag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
    const packed = new Uint8Array(gzipSync(bytes));
    this.#packed = packed.length < 0.9 * bytes.length ? packed : null;
    const keep = path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache';
    this.#headers = { ...rules, 'content-type': type, 'cache-control': keep, etag: this.#tag, vary: 'accept-encoding' };
  }

  answer(request: Request): Response {
    if (request.headers.get('if-none-match') === this.#tag)
      return new Response(null, { status: 304, headers: this.#headers });
    const takesPacked = /\bgzip\b/.test(request.headers.get('accept-encoding') ?? '');
    if (!takesPacked || this.#packed === null) return new Response(this.#bytes, { headers: this.#headers });
    return new Response(this.#packed, { headers: { ...this.#headers, 'content-encoding': 'gzip' } });
  }
}

export type AppFiles = ReadonlyMap<string, AppFile>;

/** Files of a folder by the path that they are asked for; the page is `/`. Kinds that no page has are left out. */
export function readAppFiles(folder: string): AppFiles {
  const files = new Map<string, AppFile>();
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const type = types[extname(entry.name)];
    if (!entry.isFile() || type === undefined) continue;
    const file = join(entry.parentPath, entry.name);
    const path = `/${relative(folder, file).split(sep).join('/')}`.replace(/^\/index\.html$/, '/');
    files.set(path, new AppFile(path, new Uint8Array(readFileSync(file)), type));
  }
  return files;
}

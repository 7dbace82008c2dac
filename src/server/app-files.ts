// The built files of the browser app: read once, kept in memory, served with security headers.
//
// Files under assets/ have a content hash in their names and are cached forever; the page itself is revalidated on each
// visit. The content security policy allows only scripts and styles that are files of this server and forbids framing;
// only DOMPurify may turn a text into HTML.
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

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
  "require-trusted-types-for 'script'; trusted-types dompurify";

const securityHeaders = {
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
  /** null: compression does not pay. */
  readonly #gzipped: Uint8Array<ArrayBuffer> | null;

  constructor(path: string, bytes: Uint8Array<ArrayBuffer>, type: string) {
    this.#bytes = bytes;
    this.#tag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
    const gzipped = new Uint8Array(gzipSync(bytes));
    this.#gzipped = gzipped.length < 0.9 * bytes.length ? gzipped : null;
    const caching = path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache';
    this.#headers = {
      ...securityHeaders,
      'content-type': type,
      'cache-control': caching,
      etag: this.#tag,
      vary: 'accept-encoding',
    };
  }

  respond(request: Request): Response {
    if (request.headers.get('if-none-match') === this.#tag)
      return new Response(null, { status: 304, headers: this.#headers });
    const acceptsGzip = /\bgzip\b/.test(request.headers.get('accept-encoding') ?? '');
    if (!acceptsGzip || this.#gzipped === null) return new Response(this.#bytes, { headers: this.#headers });
    return new Response(this.#gzipped, { headers: { ...this.#headers, 'content-encoding': 'gzip' } });
  }
}

export type AppFiles = ReadonlyMap<string, AppFile>;

/** Returns the files of a folder by URL path; index.html is `/`. Files of other types than those above are left out. */
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

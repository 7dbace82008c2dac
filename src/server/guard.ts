// Who may ask: the Host it thinks it speaks to, the Origin it comes from, its key.
//
// A page of a foreign site may not use a server on this machine. Its Origin gives it away; where a browser sends none,
// or its site's name was pointed at us (DNS rebinding), the Host header does: only loopback names, addresses written as
// numbers, and names that were allowed are answered.
import { createHash, timingSafeEqual } from 'node:crypto';
import { ApiError } from './errors.ts';

export interface GuardOptions {
  /** Bearer keys, any of which is needed for all but /health and the app's own files. @default none: everybody may ask */
  readonly keys?: readonly string[];
  /** Names in the Host header besides loopback names and addresses. @default none */
  readonly hosts?: readonly string[];
  /** Origins of web pages that may read the answers, as `https://example.org`, or `*`. @default none */
  readonly origins?: readonly string[];
}

const digest = (key: string): Buffer => createHash('sha256').update(key).digest();

function isAddress(name: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(name) || /^\[[0-9a-f:.]+\]$/i.test(name);
}

/** A Host header without its port. */
function hostName(host: string): string {
  return host.replace(/:\d*$/, '').toLowerCase();
}

const allowedHeaders = 'authorization, content-type, x-requested-with';

export class Guard {
  readonly #keys: readonly Buffer[];
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;

  constructor({ keys = [], hosts = [], origins = [] }: GuardOptions) {
    this.#keys = keys.map(digest);
    this.#hosts = new Set(hosts.map((host) => host.toLowerCase()));
    this.#origins = new Set(origins.map((origin) => origin.replace(/\/$/, '').toLowerCase()));
  }

  /** `isOpen`: no key is needed. Throws ApiError 401 or 403. */
  check(request: Request, isOpen: boolean): void {
    this.#checkHost(request);
    this.#checkOrigin(request);
    if (!isOpen) this.#checkKey(request);
  }

  /** The answer to a browser that asks before it asks; null when this is no such question. */
  preflight(request: Request): Response | null {
    if (request.method !== 'OPTIONS' || !request.headers.has('access-control-request-method')) return null;
    this.#checkHost(request);
    this.#checkOrigin(request);
    const asked = request.headers.get('access-control-request-headers') ?? allowedHeaders;
    const headers = { 'access-control-allow-methods': 'GET, POST', 'access-control-max-age': '600' };
    return new Response(null, { status: 204, headers: { ...headers, 'access-control-allow-headers': asked } });
  }

  /** Headers that let an allowed page read the answer. */
  corsHeaders(request: Request): Record<string, string> {
    const origin = request.headers.get('origin');
    if (origin === null || !this.#isListed(origin)) return {};
    return { 'access-control-allow-origin': origin, vary: 'origin', 'access-control-expose-headers': 'retry-after' };
  }

  #isListed(origin: string): boolean {
    return this.#origins.has('*') || this.#origins.has(origin.toLowerCase());
  }

  #checkHost(request: Request): void {
    const name = hostName(request.headers.get('host') ?? new URL(request.url).host);
    if (name === 'localhost' || name.endsWith('.localhost') || isAddress(name) || this.#hosts.has(name)) return;
    throw new ApiError(
      403,
      `Host ${JSON.stringify(name.slice(0, 100))} is not served: use localhost or the address, or allow the name`,
      { code: 'foreign_host' },
    );
  }

  #checkOrigin(request: Request): void {
    const origin = request.headers.get('origin');
    if (origin === null || this.#isListed(origin)) return;
    const host = request.headers.get('host') ?? new URL(request.url).host;
    if (URL.canParse(origin) && new URL(origin).host.toLowerCase() === host.toLowerCase()) return;
    throw new ApiError(
      403,
      `pages of ${JSON.stringify(origin.slice(0, 100))} may not use this server: allow that origin when it is started`,
      { code: 'foreign_origin' },
    );
  }

  #checkKey(request: Request): void {
    if (this.#keys.length === 0) return;
    const [, key = ''] = /^Bearer +(.+)$/i.exec(request.headers.get('authorization') ?? '') ?? [];
    const given = digest(key.trim());
    let known = false;
    for (const each of this.#keys) known = timingSafeEqual(each, given) || known;
    if (known) return;
    const headers = { 'www-authenticate': 'Bearer' };
    const problem = key === '' ? 'no key was given' : 'the key is not known';
    throw new ApiError(401, `${problem}: send the header "Authorization: Bearer KEY" with one of the server's keys`, {
      headers,
    });
  }
}

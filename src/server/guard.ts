// Who may use the server: checks the Host, the Origin and the key of a request.
//
// A foreign site must not use a server on this machine. Its Origin header identifies it. Where a browser sends
// none, or the site's name resolves to this machine (DNS rebinding), the Host header does: only loopback names, numeric
// addresses and allowed names are served.
import { createHash, timingSafeEqual } from 'node:crypto';
import { ApiError } from './errors.ts';
import { ignoredHeader } from './ignored-fields.ts';

export interface GuardOptions {
  /** Keys: bearer token or `x-api-key`. All routes but /health and the app's files require one. @default none */
  readonly keys?: readonly string[];
  /** Allowed names in the Host header, besides loopback names and addresses. @default none */
  readonly hosts?: readonly string[];
  /** Origins of web pages that may use the API, such as `https://example.org`, or `*`. @default none */
  readonly origins?: readonly string[];
}

const digest = (key: string): Buffer => createHash('sha256').update(key).digest();

function isAddress(name: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(name) || /^\[[0-9a-f:.]+\]$/i.test(name);
}

/** Returns a Host header without its port. */
function hostName(host: string): string {
  return host.replace(/:\d*$/, '').toLowerCase();
}

const allowedHeaders = 'authorization, content-type, x-api-key, x-request-id, x-requested-with';

export class Guard {
  readonly #keys: readonly Buffer[];
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;

  constructor({ keys = [], hosts = [], origins = [] }: GuardOptions) {
    this.#keys = keys.map(digest);
    this.#hosts = new Set(hosts.map((host) => host.toLowerCase()));
    this.#origins = new Set(origins.map((origin) => origin.replace(/\/$/, '').toLowerCase()));
  }

  /**
   * `isOpen`: no key is needed. Returns a name for the key of the request, '' without one. Throws ApiError 401 or 403.
   */
  check(request: Request, isOpen: boolean): string {
    this.#checkHost(request);
    this.#checkOrigin(request);
    return isOpen ? '' : this.#checkKey(request);
  }

  /** Returns the response to a CORS preflight request; null for other requests. */
  preflight(request: Request): Response | null {
    if (request.method !== 'OPTIONS' || !request.headers.has('access-control-request-method')) return null;
    this.#checkHost(request);
    this.#checkOrigin(request);
    const requested = request.headers.get('access-control-request-headers') ?? allowedHeaders;
    const headers = { 'access-control-allow-methods': 'GET, POST, DELETE', 'access-control-max-age': '600' };
    return new Response(null, { status: 204, headers: { ...headers, 'access-control-allow-headers': requested } });
  }

  /** Returns the headers that let a page of an allowed origin read the response. */
  corsHeaders(request: Request): Record<string, string> {
    const origin = request.headers.get('origin');
    if (origin === null || !this.#isListed(origin)) return {};
    return {
      'access-control-allow-origin': origin,
      vary: 'origin',
      'access-control-expose-headers': `retry-after, x-request-id, ${ignoredHeader}`,
    };
  }

  #isListed(origin: string): boolean {
    return this.#origins.has('*') || this.#origins.has(origin.toLowerCase());
  }

  #checkHost(request: Request): void {
    const name = hostName(request.headers.get('host') ?? new URL(request.url).host);
    if (name === 'localhost' || name.endsWith('.localhost') || isAddress(name) || this.#hosts.has(name)) return;
    throw new ApiError(
      403,
      `Host ${JSON.stringify(name.slice(0, 100))} is not served: ` +
        'use localhost or the address, or allow it with --host-name',
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
      `pages of ${JSON.stringify(origin.slice(0, 100))} may not use this server: allow this origin when you start it`,
      { code: 'foreign_origin' },
    );
  }

  #checkKey({ headers: sent }: Request): string {
    if (this.#keys.length === 0) return '';
    const [, bearer] = /^Bearer +(.+)$/i.exec(sent.get('authorization') ?? '') ?? [];
    const key = bearer ?? sent.get('x-api-key') ?? '';
    const given = digest(key.trim());
    let isKnown = false;
    for (const each of this.#keys) isKnown = timingSafeEqual(each, given) || isKnown; // all: the time reveals nothing
    if (isKnown) return given.toString('base64');
    const headers = { 'www-authenticate': 'Bearer' };
    const problem = key === '' ? 'the key is missing' : 'the key is wrong';
    throw new ApiError(
      401,
      `${problem}: send the header "Authorization: Bearer KEY" with one of the server's keys, or "x-api-key: KEY"`,
      {
        headers,
      },
    );
  }
}

// GET over HTTP: redirects are followed, and the token goes to the hub alone, never to the hosts that it redirects to.
//
// It is node:http: Node's fetch knows no proxy before Node 24, and hides where it was redirected to.
import { type IncomingMessage, type RequestOptions, request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import type { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { HubError, RetriableError } from './errors.ts';
import { defaultPatience, type Patience } from './patience.ts';
import type { HubSettings } from './settings.ts';

export interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: IncomingMessage;
}

const maxRedirects = 8;

/** Opens a tunnel through a proxy. */
function openTunnel(proxy: string, target: URL, { idleMs, signal }: { idleMs: number; signal?: AbortSignal }) {
  const { protocol, hostname, port, username, password } = new URL(proxy.includes('://') ? proxy : `http://${proxy}`);
  if (protocol !== 'http:')
    throw new HubError('HTTPS_PROXY', `${protocol}// is no proxy that minke speaks to`, 'use one with http://');
  const place = `${target.hostname}:${target.port || (target.protocol === 'https:' ? 443 : 80)}`;
  const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  const request = requestPlain({
    method: 'CONNECT',
    host: hostname,
    port: port || 80,
    path: place,
    agent: false,
    headers: { host: place, ...(username !== '' && { 'proxy-authorization': `Basic ${login}` }) },
    ...(signal && { signal }),
  });
  return new Promise<ReturnType<typeof connect>>((resolve, reject) => {
    request.setTimeout(idleMs, () => request.destroy(new Error('the proxy does not answer')));
    request.on('error', reject);
    request.on('connect', ({ statusCode }, socket) => {
      if (statusCode === 200) return resolve(socket as ReturnType<typeof connect>);
      socket.destroy();
      reject(new HubError(hostname, `the proxy refuses to connect (${statusCode})`, 'check HTTPS_PROXY and NO_PROXY'));
    });
    request.end();
  });
}

/** Why the system could not reach a host, as a word. */
const describe = (error: NodeJS.ErrnoException) => error.code ?? error.message;

export class HttpClient {
  readonly #settings: HubSettings;
  readonly patience: Patience;

  constructor(settings: HubSettings, patience: Patience = defaultPatience) {
    this.#settings = settings;
    this.patience = patience;
  }

  /**
   * Sends a GET request and follows redirects; the caller reads or destroys the body. Throws RetriableError where the
   * network fails, HubError where a redirect leads nowhere.
   */
  async get(address: string, headers: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<Reply> {
    let url = new URL(address);
    for (let redirects = 0; redirects <= maxRedirects; redirects++) {
      const body = await this.#getOnce(url, headers, signal);
      const { statusCode: status = 0, headers: received } = body;
      if (![301, 302, 303, 307, 308].includes(status)) return { status, headers: received, body };
      body.destroy();
      const { location = '' } = received;
      if (!URL.canParse(location, url.href)) break;
      const next = new URL(location, url.href);
      const isDowngrade = url.protocol === 'https:' && next.protocol !== 'https:';
      if (isDowngrade || !/^https?:$/.test(next.protocol)) break;
      url = next;
    }
    throw new HubError(url.host, 'redirects without end, or out of TLS', 'check HF_ENDPOINT, and the proxy');
  }

  async #getOnce(url: URL, headers: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<IncomingMessage> {
    const { token, endpoint, proxy } = this.#settings;
    const { idleMs } = this.patience;
    const isHub = url.origin === new URL(endpoint).origin;
    const options: RequestOptions = {
      headers: {
        ...headers,
        'user-agent': 'minke',
        'accept-encoding': 'identity',
        ...(isHub && token !== null && { authorization: `Bearer ${token}` }),
      },
      ...(signal && { signal }),
    };
    try {
      const through = proxy(url);
      if (through !== null) {
        const socket = await openTunnel(through, url, { idleMs, ...(signal && { signal }) });
        options.agent = false;
        options.createConnection = () =>
          url.protocol === 'https:' ? connectTls({ socket, servername: url.hostname }) : socket;
      }
      return await send(url, options, idleMs);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof HubError) throw error;
      throw new RetriableError(describe(error as Error));
    }
  }
}

function send(url: URL, options: RequestOptions, idleMs: number): Promise<IncomingMessage> {
  const request = (url.protocol === 'https:' ? requestTls : requestPlain)(url, options);
  return new Promise((resolve, reject) => {
    request.setTimeout(idleMs, () => request.destroy(new Error('no answer in time')));
    request.on('error', reject).on('response', resolve).end();
  });
}

// A hub for tests, in this process: lists, redirects to a second host as Hugging Face does, and misbehaves on request.
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeModel {
  commit: string;
  files: Record<string, Buffer>;
  gated?: boolean;
}

export interface SeenRequest {
  readonly host: 'hub' | 'storage';
  readonly url: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

export const commitOne = '1'.repeat(40);
export const commitTwo = '2'.repeat(40);

/** Files from this size on are large: named by SHA-256 and redirected to the storage. */
const largeBytes = 1000;

export const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const gitHash = (bytes: Buffer) => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

function listen(server: Server): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  });
}

export class FakeHub {
  readonly models = new Map<string, FakeModel>();
  readonly seen: SeenRequest[] = [];
  /** Handles a request to the storage instead of the rule; returns false to leave it to the rule. */
  storageFault: (request: IncomingMessage, response: ServerResponse, bytes: Buffer) => boolean = () => false;
  /** The same for the hub's own addresses. */
  hubFault: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
  /** Changes what is listed. */
  editListing: (listing: Record<string, unknown>) => unknown = (listing) => listing;
  token: string | null = null;
  endpoint = '';
  #storageAddress = '';
  readonly #hub = createServer((request, response) => this.#answer(request, response));
  readonly #storage = createServer((request, response) => this.#store(request, response));

  async open(): Promise<void> {
    this.endpoint = await listen(this.#hub);
    this.#storageAddress = await listen(this.#storage);
  }

  /** Back to good behavior, with nothing seen. */
  reset(): void {
    this.models.clear();
    this.seen.length = 0;
    this.storageFault = this.hubFault = () => false;
    this.editListing = (listing) => listing;
    this.token = null;
  }

  close(): void {
    for (const server of [this.#hub, this.#storage]) {
      server.closeAllConnections();
      server.close();
    }
  }

  /** The requests for bytes of files, as the storage saw them. */
  get transfers(): SeenRequest[] {
    return this.seen.filter(({ host }) => host === 'storage');
  }

  #note(host: SeenRequest['host'], { url = '', headers }: IncomingMessage): void {
    this.seen.push({ host, url, range: headers.range, authorization: headers.authorization });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.#note('hub', request);
    if (this.hubFault(request, response)) return;
    const { pathname, searchParams } = new URL(request.url ?? '', this.endpoint);
    const isAllowed = this.token === null || request.headers.authorization === `Bearer ${this.token}`;
    const refuse = (status: number, code: string) => response.writeHead(status, { 'x-error-code': code }).end('{}');
    const [, id, revision] = /^\/api\/models\/([^/]+\/[^/]+)\/revision\/(.+)$/.exec(pathname) ?? [];
    if (pathname === '/api/models') {
      const [author, search] = [searchParams.get('author'), searchParams.get('search')?.toLowerCase()];
      const names = [...this.models.keys()].filter((name) =>
        author === null ? name.toLowerCase().includes(search ?? '') : name.startsWith(`${author}/`),
      );
      response.end(JSON.stringify(names.map((name) => ({ id: name }))));
    } else if (id !== undefined) {
      const model = this.models.get(id);
      if (model === undefined) refuse(isAllowed && this.token !== null ? 404 : 401, 'RepoNotFound');
      else if (![model.commit, 'main'].includes(decodeURIComponent(revision))) refuse(404, 'RevisionNotFound');
      else response.end(JSON.stringify(this.editListing(this.#list(id, model))));
    } else this.#resolve(request, response, pathname, isAllowed);
  }

  #list(id: string, { commit, files, gated = false }: FakeModel): Record<string, unknown> {
    const siblings = Object.entries(files).map(([rfilename, bytes]) => ({
      rfilename,
      size: bytes.length,
      blobId: gitHash(bytes),
      ...(bytes.length >= largeBytes && { lfs: { sha256: sha256(bytes), size: bytes.length, pointerSize: 130 } }),
    }));
    return { id, sha: commit, gated: gated && 'manual', siblings };
  }

  #resolve(request: IncomingMessage, response: ServerResponse, pathname: string, isAllowed: boolean): void {
    const [, id, commit, path] = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(decodeURIComponent(pathname)) ?? [];
    const model = this.models.get(id ?? '');
    const bytes = model?.files[path ?? ''];
    if (bytes === undefined || (commit !== model?.commit && commit !== 'main'))
      response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end();
    else if (model?.gated && !isAllowed) response.writeHead(401, { 'x-error-code': 'GatedRepo' }).end();
    else {
      // What Python's library reads of a HEAD request.
      const isLarge = bytes.length >= largeBytes;
      const etag = isLarge ? sha256(bytes) : gitHash(bytes);
      response.setHeader('x-repo-commit', model?.commit ?? '');
      if (isLarge) {
        response.setHeader('x-linked-etag', `"${etag}"`);
        response.setHeader('x-linked-size', bytes.length);
        response.writeHead(302, { location: `${this.#storageAddress}/${id}/${path}` }).end();
      } else
        response
          .writeHead(200, { etag: `"${etag}"`, 'content-length': bytes.length })
          .end(request.method === 'HEAD' ? undefined : bytes);
    }
  }

  #store(request: IncomingMessage, response: ServerResponse): void {
    this.#note('storage', request);
    const [, id, path] = /^\/([^/]+\/[^/]+)\/(.+)$/.exec(decodeURIComponent(request.url ?? '')) ?? [];
    const bytes = this.models.get(id ?? '')?.files[path ?? ''];
    if (bytes === undefined) response.writeHead(404).end();
    else if (!this.storageFault(request, response, bytes)) sendBytes(request, response, bytes);
  }
}

/** Answers with a file, or the part that a Range header asks for; `bytes` more than `limit` are cut off. */
export function sendBytes(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Buffer,
  limit = Number.POSITIVE_INFINITY,
): void {
  const [, first] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
  const from = Number(first ?? 0);
  if (first !== undefined && from >= bytes.length) {
    response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    return;
  }
  const part = bytes.subarray(from);
  const range = { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
  response.writeHead(first === undefined ? 200 : 206, { 'content-length': part.length, ...(first && range) });
  if (part.length <= limit) response.end(part);
  else response.write(part.subarray(0, limit), () => response.destroy());
}

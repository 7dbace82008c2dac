// What a hub says about a model: its commit and its files with sizes and checksums. A hub is not trusted: names that
// lead out of a folder, missing checksums and endless answers are refused.
import { z } from 'zod';
import { FileError, parseJson } from '../untrusted/index.ts';
import { HubError, RetriableError } from './errors.ts';
import type { HttpClient, Reply } from './http.ts';
import { formatModelName, isSafePath, type ModelName } from './model-name.ts';
import { retryAfterMs, withRetries } from './retry.ts';
import type { HubSettings } from './settings.ts';
import { closestNames } from './suggestions.ts';

export interface RemoteFile {
  readonly path: string;
  readonly size: number;
  /** The name of its blob in the cache, which is its checksum: SHA-256, or SHA-1 of git for small files. */
  readonly checksum: string;
}

export interface Listing {
  readonly commit: string;
  readonly files: readonly RemoteFile[];
}

const maxListingBytes = 16 * 2 ** 20;
const size = z.number().int().nonnegative();

const schema = z.object({
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  gated: z.union([z.boolean(), z.string()]).optional(),
  siblings: z.array(
    z.object({
      rfilename: z.string(),
      size: size.nullish(),
      blobId: z
        .string()
        .regex(/^[0-9a-f]{40}$/)
        .nullish(),
      lfs: z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/), size: size.nullish() }).nullish(),
    }),
  ),
});

/** How to get a model whose owners ask for something first. */
function explainGate(id: string, { endpoint, token }: HubSettings): HubError {
  const page = `${endpoint}/${id}`;
  return token === null
    ? new HubError(
        id,
        'is gated: its owners want you to accept their terms',
        `do so at ${page}, then set HF_TOKEN to a token of yours (${endpoint}/settings/tokens)`,
      )
    : new HubError(id, 'is gated, and your token has no access to it', `ask for it at ${page}, with the same account`);
}

/** Throws HubError or RetriableError for a status that is no success. */
export function expectSuccess({ status, headers }: Reply, id: string, settings: HubSettings): void {
  if (status >= 200 && status < 300) return;
  const code = String(headers['x-error-code'] ?? '');
  if (status === 429 || status === 503 || status === 408)
    throw new RetriableError(
      status === 429 ? 'the hub refuses further requests for now' : `the hub answers ${status}`,
      retryAfterMs(headers['retry-after']),
    );
  if (status >= 500) throw new RetriableError(`the hub answers ${status}`);
  if (code === 'GatedRepo' || status === 403) throw explainGate(id, settings);
  if (status === 401 && settings.token !== null && code !== 'RepoNotFound')
    throw new HubError(
      'HF_TOKEN',
      'the hub does not accept this token',
      `make one at ${settings.endpoint}/settings/tokens`,
    );
  throw new HubError(id, `the hub answers ${status}${code && ` (${code})`}`, 'check the name, and HF_ENDPOINT');
}

async function readText({ body }: Reply, maxBytes: number): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of body as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maxBytes) throw new FileError('is larger than any listing', 'check the address');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Asks the hub for JSON. `refused` may throw its own error for a reply that is no success. */
async function getJson(http: HttpClient, address: string, id: string, check: (reply: Reply) => Promise<void> | void) {
  const host = new URL(address).host;
  const remedy = 'check the network, HF_ENDPOINT and HTTPS_PROXY; models that are here open without it: minke list';
  const retry = { where: host, remedy, patience: { ...http.patience, attempts: Math.min(3, http.patience.attempts) } };
  return withRetries(async () => {
    const reply = await http.get(address, { accept: 'application/json' });
    try {
      await check(reply);
      return parseJson(await readText(reply, maxListingBytes));
    } catch (error) {
      reply.body.destroy();
      if (error instanceof FileError) throw new HubError(host, `what it says of ${id} ${error.problem}`, error.remedy);
      if (error instanceof HubError || error instanceof RetriableError) throw error;
      throw new RetriableError(`cannot be read (${(error as NodeJS.ErrnoException).code ?? (error as Error).message})`);
    }
  }, retry);
}

const ids = z.array(z.object({ id: z.string() }));

/** Returns names of models that exist and resemble one that does not; empty where the hub gives none. */
async function suggestNames(http: HttpClient, { endpoint }: HubSettings, id: string): Promise<string[]> {
  const [org, name] = id.split('/');
  const found = await Promise.all(
    [`author=${org}`, `search=${name}`].map(async (each) => {
      const address = `${endpoint}/api/models?${encodeURI(each)}&limit=100&sort=downloads`;
      const json = await getJson(http, address, id, ({ status }) => {
        if (status !== 200) throw new HubError(id, `status ${status}`, 'none');
      }).catch(() => []);
      return ids.safeParse(json).data ?? [];
    }),
  );
  const names = [...new Set(found.flat().map((each) => each.id))].filter((each) => /^[\w.-]+\/[\w.-]+$/.test(each));
  return closestNames(id, names);
}

async function explainMissing(http: HttpClient, settings: HubSettings, name: ModelName, code: string) {
  if (code === 'RevisionNotFound')
    return new HubError(name.id, `has no revision ${name.revision}`, 'name a branch, a tag or a commit of it');
  const similar = await suggestNames(http, settings, name.id);
  const token = settings.token === null ? 'for a private one, set HF_TOKEN' : 'for a private one, check HF_TOKEN';
  return new HubError(
    formatModelName(name),
    `no such file or folder here, and no such model at ${new URL(settings.endpoint).host}`,
    similar.length > 0 ? `did you mean ${similar.join(' or ')}?` : `check the name (ORG/NAME); ${token}`,
  );
}

function toRemoteFile(id: string, { rfilename: path, size, blobId, lfs }: z.infer<typeof schema>['siblings'][number]) {
  if (!isSafePath(path))
    throw new HubError(id, `lists a file that leads out of its folder (${JSON.stringify(path)})`, 'do not trust it');
  const bytes = lfs?.size ?? size;
  const checksum = lfs?.sha256 ?? blobId;
  return bytes === undefined || bytes === null || !checksum ? [] : [{ path, size: bytes, checksum }];
}

/** Lists a model. Throws HubError with what to do where there is none, or it is gated. */
export async function listFiles(http: HttpClient, settings: HubSettings, name: ModelName): Promise<Listing> {
  const { id, revision } = name;
  const address = `${settings.endpoint}/api/models/${id}/revision/${encodeURIComponent(revision)}?blobs=true`;
  const json = await getJson(http, address, id, async (reply) => {
    const code = String(reply.headers['x-error-code'] ?? '');
    const isMissing = reply.status === 404 || code === 'RepoNotFound';
    const hidesRepository = reply.status === 401 && settings.token === null && code !== 'GatedRepo';
    if (isMissing || hidesRepository) throw await explainMissing(http, settings, name, code);
    expectSuccess(reply, id, settings);
  });
  const { success, data } = schema.safeParse(json);
  const host = new URL(settings.endpoint).host;
  if (!success) throw new HubError(host, `does not list ${id} as Hugging Face does`, 'check HF_ENDPOINT');
  if (data.gated !== undefined && data.gated !== false && settings.token === null) throw explainGate(id, settings);
  const files = data.siblings.flatMap((sibling) => toRemoteFile(id, sibling));
  if (files.length === 0 && data.siblings.length > 0)
    throw new HubError(host, `lists ${id} without sizes and checksums`, 'choose another HF_ENDPOINT');
  return { commit: data.sha, files };
}

/** Where a file of a model is downloaded from. */
export function fileAddress({ endpoint }: HubSettings, id: string, commit: string, path: string): string {
  return `${endpoint}/${id}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
}

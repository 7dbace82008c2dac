// What the environment says about the hub. The variables are those of Hugging Face's Python library, so that both share
// a cache, a token and a mirror: HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE.
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { readTextFile } from '../untrusted/index.ts';
import { HubError } from './errors.ts';

export interface HubSettings {
  /** The address of the hub, without a slash at its end. */
  readonly endpoint: string;
  /** Sent to the endpoint only. */
  readonly token: string | null;
  /** The folder that holds a folder for each model. */
  readonly cache: string;
  readonly isOffline: boolean;
  /** The address of the proxy for a host; null where it is reached directly. */
  readonly proxy: (url: URL) => string | null;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const isOn = (value: string | undefined) => /^(1|on|yes|true)$/i.test(value ?? '');
const expand = (path: string) => resolve(path.replace(/^~(?=$|\/)/, homedir()));

function readEndpoint({ HF_ENDPOINT: given }: Environment): string {
  const endpoint = (given ?? '').trim().replace(/\/+$/, '') || 'https://huggingface.co';
  if (/^https?:\/\//.test(endpoint) && URL.canParse(endpoint)) return endpoint;
  throw new HubError('HF_ENDPOINT', `${endpoint} is not an address`, 'write it as in https://huggingface.co');
}

function readToken(environment: Environment, home: string): string | null {
  const { HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH } = environment;
  const path = expand(HF_TOKEN_PATH ?? join(home, 'token'));
  const found = HF_TOKEN ?? HUGGING_FACE_HUB_TOKEN ?? readTextFile(path, { maxBytes: 4096, followsLinks: true });
  const token = found?.trim() ?? '';
  if (/^[\x21-\x7e]*$/.test(token)) return token === '' ? null : token;
  const where = HF_TOKEN === undefined && HUGGING_FACE_HUB_TOKEN === undefined ? path : 'HF_TOKEN';
  throw new HubError(where, 'is not a token: it holds spaces or other signs', 'copy it again, or unset it');
}

/** Returns the proxy of an address, as curl chooses it. */
function findProxy(environment: Environment, { protocol, hostname }: URL): string | null {
  const read = (name: string) => environment[name.toLowerCase()] ?? environment[name] ?? '';
  const exceptions = read('NO_PROXY').split(/[\s,]+/);
  const isExcepted = exceptions.some((entry) => {
    const suffix = entry.replace(/^\*?\./, '').replace(/:\d+$/, '');
    return entry === '*' || (suffix !== '' && (hostname === suffix || hostname.endsWith(`.${suffix}`)));
  });
  const proxy = read(protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY') || read('ALL_PROXY');
  return isExcepted || proxy === '' ? null : proxy;
}

/** Reads the settings. Throws HubError for an address or a token that cannot be one. */
export function readHubSettings(environment: Environment = process.env): HubSettings {
  const { HF_HOME, XDG_CACHE_HOME, HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE } = environment;
  const home = expand(HF_HOME ?? join(XDG_CACHE_HOME ?? '~/.cache', 'huggingface'));
  return {
    endpoint: readEndpoint(environment),
    token: readToken(environment, home),
    cache: expand(HF_HUB_CACHE ?? HUGGINGFACE_HUB_CACHE ?? join(home, 'hub')),
    isOffline: isOn(environment.HF_HUB_OFFLINE) || isOn(environment.TRANSFORMERS_OFFLINE),
    proxy: (url) => findProxy(environment, url),
  };
}

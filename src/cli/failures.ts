// What went wrong, in a sentence that says what to do: errors of ours as they are, those of the system by their code.
//
// A failure that nobody foresaw is called a bug and keeps its message; the stack is for MINKE_DEBUG=1.

/** Why a code of the operating system or of Node comes up, and what helps. */
const remedies: Readonly<Record<string, readonly [problem: string, remedy: string]>> = {
  // files
  ENOENT: ['no such file or folder', 'check the path'],
  EACCES: ['permission denied', 'check its owner and rights, or choose another place'],
  EPERM: ['not permitted', 'check its owner and rights, or choose another place'],
  EISDIR: ['is a folder', 'name a file'],
  ENOTDIR: ['a part of the path is not a folder', 'check the path'],
  EEXIST: ['exists already', 'remove it or choose another name'],
  ENOTEMPTY: ['is not empty', 'choose another folder'],
  ENAMETOOLONG: ['the name is too long', 'choose a shorter one'],
  ELOOP: ['a chain of links leads back to itself', 'check the path'],
  EROFS: ['the file system is read-only', 'choose another place'],
  ENOSPC: ['the disk is full', 'free some space, or choose another disk'],
  EDQUOT: ['the disk quota is used up', 'free some space, or choose another disk'],
  EFBIG: ['the file is too large for this system', 'check the limits of this shell (ulimit -f)'],
  EIO: ['the disk reports an error', 'check the disk'],
  EBUSY: ['is in use', 'end the program that uses it'],
  EXDEV: ['lies on another file system', 'choose a place on the same one'],
  ERR_FS_FILE_TOO_LARGE: ['the file is larger than Node can read at once', 'check that it is the right file'],
  ERR_INVALID_ARG_VALUE: ['a path or value is malformed', 'check the command line'],
  // the process
  EMFILE: ['too many open files', 'raise the limit of this shell: ulimit -n 1024'],
  ENFILE: ['the system has too many open files', 'end other programs'],
  ENOMEM: ['no memory left', 'end other programs, raise the limit (ulimit -v), or choose a smaller model or context'],
  EAGAIN: ['the system has no resources left for it', 'end other programs, or raise the limits (ulimit -a)'],
  ERR_WORKER_INIT_FAILED: ['a thread could not start', 'raise the limits of this shell (ulimit -n, -u, -v)'],
  ERR_WORKER_OUT_OF_MEMORY: ['a thread ran out of memory', 'raise the limit of memory'],
  // the network
  EADDRINUSE: ['the port is taken by another program', 'choose another one with --port'],
  EADDRNOTAVAIL: ['this machine does not have the address', 'choose another one with --host'],
  ECONNREFUSED: ['nothing listens at this address', 'check the address, and that the server runs'],
  ECONNRESET: ['the other side closed the connection', 'try again'],
  ENOTFOUND: ['no such host', 'check the address'],
  EAI_AGAIN: ['the name of the host cannot be resolved now', 'check the network and the address'],
  ETIMEDOUT: ['no answer in time', 'check the address and the network'],
  EHOSTUNREACH: ['the host cannot be reached', 'check the address and the network'],
  ENETUNREACH: ['the network cannot be reached', 'check the address and the network'],
  UND_ERR_CONNECT_TIMEOUT: ['no connection in time', 'check the address and the network'],
  UND_ERR_HEADERS_TIMEOUT: ['no answer in time', 'check that the server works'],
  UND_ERR_SOCKET: ['the other side closed the connection', 'try again'],
  ERR_INVALID_URL: ['is not an address', 'write it as http://host:port'],
};

const certificate = /^(CERT_|ERR_TLS_|ERR_SSL_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_(GET|VERIFY))/;
const outOfMemory =
  /allocation failed|Invalid (typed )?array (buffer )?length|could not allocate memory|out of memory/i;

interface SystemFailure {
  readonly code?: string;
  readonly path?: string;
  readonly hostname?: string;
  readonly address?: string;
  readonly port?: number;
  readonly input?: unknown;
  readonly syscall?: string;
}

/** Names the file or address that a call of the system failed for. */
function findPlace({ path, hostname, address, port, input, syscall }: SystemFailure): string {
  if (path !== undefined) return path;
  const host = hostname ?? address;
  if (host !== undefined) return port === undefined ? host : `${host}:${port}`;
  return typeof input === 'string' ? input : (syscall ?? 'minke');
}

/** Describes an error of the system or of the network by its code; null where it has none that is known. */
function describeSystemFailure(error: Error): string | null {
  const failure = error as SystemFailure;
  const { code = '', syscall } = failure;
  const place = findPlace(failure);
  if (code === 'EACCES' && syscall === 'listen')
    return `[${place}] ports below 1024 need more rights; choose another one, such as --port 8000`;
  if (syscall === 'uv_cwd') return '[minke] the working directory is gone; change to one that exists';
  if (certificate.test(code))
    return `[${place}] the server's certificate is not trusted (${code}); check the address, or NODE_EXTRA_CA_CERTS`;
  const known = remedies[code];
  return known === undefined ? null : `[${place}] ${known[0]}; ${known[1]}`;
}

/** Returns the errors that an error stands for, the innermost first. */
function causes(error: Error): Error[] {
  const inner = [error.cause, ...(error instanceof AggregateError ? error.errors : [])];
  return [...inner.filter((each) => each instanceof Error).flatMap(causes), error];
}

const builtIn = /^(Error|TypeError|RangeError|ReferenceError|SyntaxError|URIError|EvalError|AggregateError)$/;

/** Whether an error was raised on purpose: its class is one of ours, or its message has their form. */
function isSentence(error: Error): boolean {
  const isOurs = !builtIn.test(error.constructor.name) && /^[A-Z]\w+Error$/.test(error.name) && !('code' in error);
  return isOurs || /^\[[^\]]+\] .+; /.test(error.message);
}

/** Returns the sentence for anything that was thrown: `[where] problem; remedy`. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return `[minke] failed: ${String(error)}; MINKE_DEBUG=1 shows more`;
  if (isSentence(error)) return error.message;
  const found = causes(error)
    .map(describeSystemFailure)
    .find((text) => text !== null);
  if (found !== undefined) return found;
  const { name, message } = error;
  if (message.startsWith('broken invariant')) return `[minke] ${message}`;
  const [line] = message.split('\n');
  if (outOfMemory.test(message))
    return `[memory] no room left (${line}); choose a smaller model, context or cache, or raise the limit`;
  return `[minke] unexpected ${name}: ${line}; this is a bug of minke: report it with what MINKE_DEBUG=1 shows`;
}

// The run lock: one process at a time works in a run's folder; anyone can find out which, and ask it to stop.
//
// Contract: who wants a folder listens on a socket with a random token (lock-socket.ts), puts the file lock/<token>
// into the folder, and lists what is there. A claim whose socket is closed is void for good, and is removed. Without a
// living rival the folder is held: of two, the later one to list sees the other, so both never hold it. Of those who
// begin at the same moment the smallest token goes first. What a claim says comes from its process, not from the
// folder: a folder that was copied, or made up, has no living claim. Left out: folders that several machines share.
import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, opendirSync, realpathSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readTextFile } from '../../untrusted/index.ts';
import { TrainError } from '../errors.ts';
import { askClaimant, type Claimant, listenAsClaimant, type Reply } from './lock-socket.ts';

/** The folder of the claims in a run's folder. */
export const lockFolder = 'lock';

/** The process that holds a run's folder. */
export interface LockHolder {
  readonly token: string;
  /** Null where it is too busy to answer. */
  readonly pid: number | null;
  /** Whether it was asked to stop. */
  readonly isStopping: boolean;
}

/** More claims than processes that can meet in a folder; a folder with more was made up. */
const maxClaims = 1000;
const tokenPattern = /^[0-9a-f]{32}$/;
const retryMs = 5;
/** How long someone who only looks waits for a process that is busy. */
const lookMs = 250;

/** Lists the claims of a folder: at most `maxClaims`, null where there are more. */
function listClaims(folder: string): string[] | null {
  const tokens: string[] = [];
  const path = join(folder, lockFolder);
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return tokens;
  let claims: ReturnType<typeof opendirSync>;
  try {
    claims = opendirSync(path);
  } catch {
    return tokens; // just removed
  }
  try {
    for (let entry = claims.readSync(); entry !== null; entry = claims.readSync()) {
      if (tokens.length === maxClaims) return null;
      if (tokenPattern.test(entry.name)) tokens.push(entry.name);
    }
    return tokens;
  } finally {
    claims.closeSync();
  }
}

/** Returns path and number of a folder; either names it, also when it is moved, or its file system has no numbers. */
function identify(folder: string): Pick<Claimant, 'folder' | 'entry'> {
  const { dev, ino } = statSync(folder, { bigint: true });
  return { folder: realpathSync(folder), entry: `${dev}:${ino}` };
}

/** Whether a reply comes from a living process that claims this folder. */
function isLiving(reply: Reply, here: Pick<Claimant, 'folder' | 'entry'>): reply is Claimant | 'silent' {
  if (reply === 'silent') return true;
  return reply !== 'gone' && (reply.folder === here.folder || reply.entry === here.entry);
}

interface Rival {
  readonly token: string;
  readonly claimant: Claimant | 'silent';
}

async function livingClaims(folder: string, tokens: readonly string[], waitMs?: number): Promise<Rival[]> {
  if (tokens.length === 0) return [];
  const here = identify(folder);
  const replies = await Promise.all(tokens.map((token) => askClaimant(token, 'who', waitMs)));
  return replies.flatMap((claimant, i) => (isLiving(claimant, here) ? [{ token: tokens[i], claimant }] : []));
}

/** Returns the process that holds a run's folder; null if none does. Nothing that the folder says is believed. */
export async function findLockHolder(folder: string): Promise<LockHolder | null> {
  const tokens = listClaims(folder) ?? [];
  if (tokens.length === 0) return null;
  const rivals = await livingClaims(folder, tokens, lookMs).catch(() => []); // the folder may be removed
  for (const { token, claimant } of rivals) {
    if (claimant === 'silent') return { token, pid: null, isStopping: false };
    if (claimant.holds) return { token, pid: claimant.pid, isStopping: claimant.isStopping };
  }
  return null;
}

/** Asks the process that holds a run's folder to stop, as Ctrl-C in its terminal does. Returns whether there is one. */
export async function requestStop(folder: string): Promise<boolean> {
  const holder = await findLockHolder(folder);
  if (holder === null) return false;
  const key = readTextFile(join(folder, lockFolder, holder.token), { maxBytes: 1000 });
  const reply = await askClaimant(holder.token, `stop ${key}`);
  return reply === 'silent' || (reply !== 'gone' && reply.isStopping);
}

class Claim {
  readonly token = randomBytes(16).toString('hex');
  readonly stopping = new AbortController();
  readonly #folder: string;
  #holds = false;
  #server: Server | null = null;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Takes the lock. Throws TrainError where another process has it, or the folder cannot be written. */
  async acquire(): Promise<void> {
    const key = randomBytes(16).toString('hex');
    let here = { folder: '', entry: '' };
    const describe = (): Claimant => ({
      pid: process.pid,
      folder: here.folder,
      entry: here.entry,
      holds: this.#holds,
      isStopping: this.stopping.signal.aborted,
    });
    const stop = () => this.stopping.abort();
    this.#server = await listenAsClaimant(this.token, key, { describe, stop }).catch((error: NodeJS.ErrnoException) => {
      throw new TrainError(
        this.#folder,
        `cannot be locked (${error.code})`,
        'allow this process to open local sockets',
      );
    });
    this.#place(key);
    here = identify(this.#folder); // before anyone who sees the claim can ask
    while (!this.#holds) {
      const rivals = await this.#rivals();
      const before = rivals.find(({ token, claimant }) => {
        return claimant === 'silent' || claimant.holds || token < this.token;
      });
      if (before !== undefined) throw this.#refusal(before.claimant);
      this.#holds = rivals.length === 0;
      if (!this.#holds) await sleep(retryMs);
    }
  }

  release(): void {
    this.#server?.close();
    const claims = join(this.#folder, lockFolder);
    try {
      rmSync(join(claims, this.token), { force: true });
      rmdirSync(claims);
      rmdirSync(this.#folder); // nothing was written
    } catch {
      // others have claims, the run has files, or the folder is gone: it stays as it is
    }
  }

  /** Puts the claim into the folder, which another process that ends may remove just now: then it is made again. */
  #place(key: string): void {
    for (let tries = 0; ; tries++)
      try {
        mkdirSync(join(this.#folder, lockFolder), { recursive: true });
        writeFileSync(join(this.#folder, lockFolder, this.token), key, { flag: 'wx', mode: 0o600 });
        return;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT' && tries < 100) continue;
        throw new TrainError(
          this.#folder,
          `cannot be written (${code})`,
          'check its permissions, and that its disk has room',
        );
      }
  }

  /** Returns the living claims of others, and removes the void ones. */
  async #rivals(): Promise<Rival[]> {
    const tokens = listClaims(this.#folder);
    if (tokens === null)
      throw new TrainError(join(this.#folder, lockFolder), `holds more than ${maxClaims} claims`, 'remove this folder');
    const others = tokens.filter((token) => token !== this.token);
    const rivals = await livingClaims(this.#folder, others);
    const living = new Set(rivals.map(({ token }) => token));
    for (const token of others)
      if (!living.has(token)) rmSync(join(this.#folder, lockFolder, token), { force: true, recursive: true });
    return rivals;
  }

  #refusal(claimant: Rival['claimant']): TrainError {
    const process = claimant === 'silent' ? 'another process' : `process ${claimant.pid}`;
    return new TrainError(this.#folder, `${process} works in this folder`, 'wait for it, or stop it first');
  }
}

/**
 * Does `work` while this process holds the lock of the folder; its signal aborts when someone asks it to stop. Throws
 * TrainError when another living process holds it.
 */
export async function withRunLock<T>(folder: string, work: (stopping: AbortSignal) => Promise<T>): Promise<T> {
  const claim = new Claim(folder);
  try {
    await claim.acquire();
    return await work(claim.stopping.signal);
  } finally {
    claim.release();
  }
}

// PyTorch's steps at their best: each way of running them is tried, then the allocators with the fastest way.
//
// A script of bench/peers runs one way in a process of its own, which is ended after its share of the time. A way whose
// first step takes far longer than the fastest one's is given no second. glibc gives large blocks back to the system
// after each use and clears them anew, which costs PyTorch up to half of a step; so a peer also runs with a glibc that
// keeps them, and with jemalloc and tcmalloc where they are installed.
import { spawnSync } from 'node:child_process';
import { basename, join } from 'node:path';
import { packageRoot } from '../src/kernels/root.ts';
import { TimedProcess } from './timed-process.ts';

export interface PeerWay {
  readonly mode: string;
  readonly allocator: string;
}

type Env = Record<string, string>;

const noTrim = String(2 ** 40);

/** The environment of each allocator of this machine. */
function findAllocators(): Map<string, Env> {
  const cache = spawnSync('ldconfig', ['-p'], { encoding: 'utf8' }).stdout ?? '';
  const libraries = [...cache.matchAll(/=> (.*lib(?:jemalloc|tcmalloc_minimal|tcmalloc)\.so\.\d+)$/gm)];
  return new Map<string, Env>([
    ['glibc', {}],
    ['glibc that keeps memory', { MALLOC_MMAP_THRESHOLD_: noTrim, MALLOC_TRIM_THRESHOLD_: noTrim }],
    ...libraries.map(([, path]): [string, Env] => [basename(path).replace(/^lib|\.so.*$/g, ''), { LD_PRELOAD: path }]),
  ]);
}

/** Seconds for the ways of running, then for the allocators, of one shape. */
const searchSeconds = { modes: 120, allocators: 50 };
/** What one way may take before its first timed step: loading, compiling, and two steps. */
const waySeconds = 75;

export class TrainPeer {
  readonly #python: string;
  readonly #args: readonly string[];
  readonly #allocators = findAllocators();

  /** `script`: of bench/peers. */
  constructor(python: string, args: readonly string[], script = 'train.py') {
    this.#python = python;
    this.#args = [join(packageRoot(), 'bench', 'peers', script), ...args];
  }

  start({ mode, allocator }: PeerWay, limitSeconds: number): TimedProcess {
    return new TimedProcess(
      this.#python,
      [...this.#args, '--mode', mode],
      limitSeconds,
      this.#allocators.get(allocator),
    );
  }

  /** Returns the fastest way of running; all that are tried are printed. */
  async findBest(modes: readonly string[]): Promise<PeerWay> {
    const found: { way: PeerWay; seconds: number }[] = [];
    const bestSeconds = () => Math.min(...found.map(({ seconds }) => seconds));
    const tryAll = async (ways: readonly PeerWay[], limit: number) => {
      const end = performance.now() + limit * 1000;
      for (const way of ways) {
        const left = (end - performance.now()) / 1000;
        const seconds = await this.#try(way, Math.min(waySeconds, left), bestSeconds());
        if (seconds !== null) found.push({ way, seconds });
      }
    };
    const best = () => found.find(({ seconds }) => seconds === bestSeconds())?.way;
    await tryAll(
      modes.map((mode) => ({ mode, allocator: 'glibc' })),
      searchSeconds.modes,
    );
    const way = best();
    if (!way) throw new Error('no way of running PyTorch works; the lines above say why');
    const others = [...this.#allocators.keys()].slice(1);
    await tryAll(
      others.map((allocator) => ({ ...way, allocator })),
      searchSeconds.allocators,
    );
    return best() ?? way;
  }

  async #try(way: PeerWay, limitSeconds: number, bestSeconds: number): Promise<number | null> {
    const label = `  PyTorch ${way.mode}, ${way.allocator}`;
    if (limitSeconds < 5) {
      console.log(`${label}: not tried, the time is over`);
      return null;
    }
    const peer = this.start(way, limitSeconds);
    try {
      await peer.ready();
      const first = await peer.run();
      const seconds = first < 1.5 * bestSeconds && first < 5 ? await peer.run(3) : first;
      console.log(`${label}: ${(seconds * 1000).toFixed(0)} ms a step`);
      return seconds;
    } catch (error) {
      console.log(`${label}: ${(error as Error).message}`);
      return null;
    } finally {
      peer.end();
    }
  }
}

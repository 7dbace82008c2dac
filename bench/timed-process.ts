// A process that works when it is asked to and says how long it took: one side of a comparison, ours or a peer's.
//
// It prints one line of JSON when it is ready, {"ready": name}. Then each line "N" on its stdin lets it work N times
// and print {"seconds": of one}. It ends with its stdin. So each side has memory of its own, and a peak of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

interface Answer {
  readonly ready?: string;
  readonly seconds?: number;
  readonly error?: string;
}

export class TimedProcess {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  #errors = '';

  /** `limitSeconds`: when it is ended by force, whatever it does. */
  constructor(command: string, args: readonly string[], limitSeconds: number, env: Record<string, string> = {}) {
    this.#child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      timeout: Math.ceil(limitSeconds * 1000),
      killSignal: 'SIGKILL',
    });
    this.#child.stdin?.on('error', () => {}); // the answer that does not come tells
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-500);
    });
    this.#answers = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  }

  async #answer(): Promise<Answer> {
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(this.#child.killed ? 'the time limit' : this.#errors.trim() || 'it ended');
    const answer = JSON.parse(value) as Answer;
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  /** Resolves with the name of what works when it is loaded and warm. */
  async ready(): Promise<string> {
    return (await this.#answer()).ready ?? '';
  }

  /** The seconds of one of `count` runs. */
  async run(count = 1): Promise<number> {
    this.#child.stdin?.write(`${count}\n`);
    return (await this.#answer()).seconds ?? Number.NaN;
  }

  /** The most memory it has held so far; undefined where the system does not say. */
  peakBytes(): number | undefined {
    const file = `/proc/${this.#child.pid}/status`;
    const found = existsSync(file) && /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(file, 'utf8'));
    return found ? Number(found[1]) * 1024 : undefined;
  }

  end(): void {
    this.#child.stdin?.end();
    this.#child.kill();
  }
}

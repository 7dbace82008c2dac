// A request to save and stop, made by a signal: Ctrl-C, SIGTERM (schedulers, containers, `timeout`), SIGHUP (a terminal
// that was closed).
//
// A second SIGINT or SIGTERM ends the process at once. One request may arrive twice: npx passes on the Ctrl-C that the
// terminal has sent to both, and `timeout` signals the process and its group. So repeats within a moment count once,
// and SIGHUP, which a shell sends again, never ends.
import { type StopSignal, stoppedExitCode, stopSignals } from '../train/index.ts';

/** Milliseconds within which signals are one request. */
const repeatMs = 100;

export class StopRequest {
  readonly #stopping = new AbortController();
  #signal: StopSignal = 'SIGINT';
  /** When the last SIGINT or SIGTERM came; performance.now(). */
  #asked: number | null = null;

  constructor() {
    for (const signal of stopSignals) process.on(signal, this.#receive);
    // A closed terminal refuses what is written to it; the run must still save.
    for (const stream of [process.stdout, process.stderr])
      stream.removeAllListeners('error').on('error', () => undefined);
  }

  /** Aborts when a signal asks to stop. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Makes the process end with the code of the signal that stopped it. */
  setExitCode(): void {
    process.exitCode = stoppedExitCode(this.#signal);
    // Node would abort where it restores the settings of a terminal that is gone; a shell sees the same code.
    const hadTerminal = [process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY);
    if (this.#signal === 'SIGHUP' && hadTerminal) process.once('exit', () => endBy('SIGHUP', this.#receive));
  }

  readonly #receive = (signal: StopSignal): void => {
    const now = performance.now();
    const isRepeat = this.#asked !== null && now - this.#asked < repeatMs;
    if (this.#asked !== null && signal !== 'SIGHUP' && !isRepeat) endBy(signal, this.#receive);
    if (signal !== 'SIGHUP') this.#asked ??= now;
    if (this.signal.aborted) return;
    this.#signal = signal;
    console.error('\nstopping after this step (again: at once, the last checkpoint stays)');
    this.#stopping.abort();
  };
}

/** Ends this process as the signal does where nobody handles it. */
function endBy(signal: StopSignal, handler: (signal: StopSignal) => void): void {
  process.off(signal, handler);
  process.kill(process.pid, signal);
}

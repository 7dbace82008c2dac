// How far a download is: one line at a terminal, else a line every half minute.
import { formatDuration, formatPercent, formatSize } from '../math/index.ts';

const shownMs = { terminal: 200, other: 30_000 };

export class DownloadProgress {
  readonly #total: number;
  readonly #first: number;
  readonly #start = performance.now();
  readonly #isTerminal = process.stderr.isTTY;
  #done: number;
  #shown = performance.now();
  #width = 0;

  /** `first`: bytes that were here before. */
  constructor(total: number, first: number) {
    this.#total = total;
    this.#first = first;
    this.#done = first;
  }

  describe(): string {
    return `${formatSize(this.#done)} of ${formatSize(this.#total)}`;
  }

  reach(done: number): void {
    this.#done = done;
    const now = performance.now();
    if (now - this.#shown < (this.#isTerminal ? shownMs.terminal : shownMs.other)) return;
    this.#shown = now;
    const rate = Math.max(1, (1000 * (done - this.#first)) / (now - this.#start));
    const left = formatDuration((this.#total - done) / rate);
    const text = `${formatPercent(done / this.#total)}, ${this.describe()}, ${formatSize(rate)}/s, ${left} left`;
    process.stderr.write(this.#isTerminal ? `\r${text.padEnd(this.#width)}` : `${text}\n`);
    this.#width = text.length;
  }

  end(): void {
    if (this.#isTerminal && this.#width > 0) process.stderr.write(`\r${this.describe().padEnd(this.#width)}\n`);
    this.#width = 0;
  }
}

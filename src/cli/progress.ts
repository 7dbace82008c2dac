// One line on a terminal that shows how far long work is and when it ends. Prints nothing where there is no terminal.
import { formatDuration, formatPercent } from '../math/index.ts';

export class Progress {
  readonly #label: string;
  readonly #total: number;
  readonly #start = performance.now();
  #done = 0;
  #shown = 0;

  constructor(label: string, total: number) {
    this.#label = label;
    this.#total = total;
  }

  advance(amount: number): void {
    this.reach(this.#done + amount);
  }

  reach(done: number): void {
    this.#done = done;
    const now = performance.now();
    if (!process.stderr.isTTY || now - this.#shown < 100) return;
    this.#shown = now;
    const share = this.#done / this.#total;
    const left = ((now - this.#start) / 1000) * (1 / share - 1);
    process.stderr.write(`\r${this.#label}: ${formatPercent(share)}, ${formatDuration(left)} left `);
  }

  end(): void {
    if (process.stderr.isTTY) process.stderr.write(`\r${this.#label}: done${' '.repeat(20)}\n`);
  }
}

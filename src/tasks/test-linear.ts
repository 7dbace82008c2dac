// For tests: checks that a function takes time proportional to its text.
import assert from 'node:assert/strict';

/** Asserts that 16 times the text takes far less than 16 * 16 times as long, by the fastest of several runs. */
export function assertLinear(piece: string, run: (text: string) => unknown): void {
  const fastest = (count: number): number => {
    const text = piece.repeat(count);
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now();
      run(text);
      return performance.now() - start;
    });
    return Math.min(...times);
  };
  const [short, long] = [fastest(20_000), fastest(320_000)];
  assert.ok(long <= 80 * Math.max(short, 0.05), `${JSON.stringify(piece)}: ${short} ms, then ${long} ms`);
}

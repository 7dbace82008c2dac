// Permutations without state: each place is known by itself, so that an epoch resumes anywhere at once.
//
// A permutation of n things is a Feistel network over the next power of four, walked until it lands inside (Black and
// Rogaway 2002, cycle walking). Its rounds are hashed by Philox.
import { deriveSeed } from './random.ts';

const rounds = 4;

/** Returns which of the things 0 to n - 1 has `place` in the permutation that the words of the key name. */
export function permuted(place: number, n: number, ...key: readonly number[]): number {
  let half = 1;
  while (4 ** half < n) half++;
  const side = 2 ** half;
  const seed = deriveSeed(...key);
  let at = place;
  do {
    let [left, right] = [Math.floor(at / side), at % side];
    for (let round = 0; round < rounds; round++)
      [left, right] = [right, (left + (deriveSeed(seed, round, right) % side)) % side];
    at = left * side + right;
  } while (at >= n);
  return at;
}

// Order without state: hashes and permutations that are the same on every machine, at any place, at once.
//
// A permutation of n things is a Feistel network over the next power of four, walked until it lands inside (Black and
// Rogaway 2002, cycle walking): place i of epoch e is known without the places before it, so a run resumes in O(1).
// Left out: cryptographic strength.

/** 32 bits of a few whole numbers; rounds of MurmurHash3's finaliser. */
export function hash32(...words: readonly number[]): number {
  let h = 0x9e3779b9;
  for (const word of words) {
    h = Math.imul(h ^ (word | 0), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13) ^ Math.floor(word / 2 ** 32), 0xc2b2ae35);
    h ^= h >>> 16;
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Uniform in [0, 1), with 53 bits. */
export function uniform(...words: readonly number[]): number {
  return ((hash32(...words, 1) >>> 5) * 2 ** 26 + (hash32(...words, 2) >>> 6)) / 2 ** 53;
}

const rounds = 4;

/** Where thing `place` of 0 to n - 1 comes from in the permutation of a key. */
export function permuted(place: number, n: number, ...key: readonly number[]): number {
  let half = 1;
  while (4 ** half < n) half++;
  const side = 2 ** half;
  let at = place;
  do {
    let [left, right] = [Math.floor(at / side), at % side];
    for (let round = 0; round < rounds; round++)
      [left, right] = [right, (left + (hash32(right, round, ...key) % side)) % side];
    at = left * side + right;
  } while (at >= n);
  return at;
}

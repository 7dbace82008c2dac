// Groups that stop early: the first responses of each, its pilot, decide whether the others are generated.
//
// A pilot whose rewards differ is always continued. One whose rewards are all equal will most likely stay without
// signal: it is continued with probability `keep`, and then its whole group weighs 1 / keep. So the expected update is
// that of full groups to the same questions, whatever the rewards are; only its variance grows (Russian roulette, as in
// Monte Carlo transport). The draw is systematic: of m such pilots m keep, rounded down or up, are continued, each with
// the same probability. Contract: responses have the seeds that they would have in a full group.
import { Random } from '../math/index.ts';
import { isInformative, type RolloutGroup } from './batch.ts';

/** Names the stream of random numbers that chooses groups. */
const pilotStream = 73;

/** Gives each pilot its weight: 1 where rewards differ, else 1 / keep or 0. */
export function choosePilots(pilots: readonly RolloutGroup[], keep: number, seed: number): RolloutGroup[] {
  let point = new Random(seed, 0, pilotStream).uniform();
  return pilots.map((pilot) => {
    if (isInformative(pilot)) return pilot;
    const before = Math.floor(point);
    point += keep;
    return { ...pilot, weight: Math.floor(point) > before ? 1 / keep : 0 };
  });
}

/** Adds the further responses to the pilots that were continued, `numbers`. */
export function joinGroups(
  pilots: readonly RolloutGroup[],
  numbers: readonly number[],
  rests: readonly RolloutGroup[],
): RolloutGroup[] {
  const groups = [...pilots];
  numbers.forEach((n, i) => {
    groups[n] = { ...pilots[n], responses: [...pilots[n].responses, ...rests[i].responses] };
  });
  return groups;
}

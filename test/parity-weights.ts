// The weights of the parity fixtures: every value follows from its tensor's name and index, as in
// scripts/parity/make.py.
import { architectureFor } from '../src/model/architecture/index.ts';
import { listJoinedParts } from '../src/model/checkpoint/model-names.ts';
import { listParameters, type ModelConfig } from '../src/model/index.ts';
import { fromArray, type Tensor } from '../src/tensor/index.ts';

function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** Returns a number in [-1, 1). */
function unitAt(seed: number, i: number): number {
  let h = (Math.imul(i, 0x9e3779b1) + seed) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 31 - 1;
}

function scaleValue(name: string, unit: number, width: number): number {
  if (name.endsWith('norm.weight')) return 1 + 0.25 * unit;
  if (name.endsWith('bias')) return 0.25 * unit;
  return (unit * 1.5) / Math.sqrt(width);
}

/** `shift` is added to every correction bias. */
export function parityWeights(config: ModelConfig, shift: number): Map<string, Tensor> {
  const joined = new Map(listJoinedParts(config).map((part) => [part.parameter.name, part]));
  const { gainOffset } = architectureFor(config);
  const entries = listParameters(config).map(({ name, shape, kind }) => {
    const { whole, offset } = joined.get(name) ?? { whole: name, offset: 0 };
    const add = kind === 'correction' ? shift : kind === 'gain' ? gainOffset : 0;
    const size = shape.reduce((product, n) => product * n, 1);
    const seed = hashName(whole);
    const width = shape.at(-1) as number;
    const value = (i: number) => scaleValue(whole, unitAt(seed, offset + i), width);
    return [
      name,
      fromArray(
        Float32Array.from({ length: size }, (_, i) => value(i) + add),
        shape,
      ),
    ] as const;
  });
  return new Map(entries);
}

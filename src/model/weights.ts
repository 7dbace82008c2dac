// The weights of a model by name, and how a module takes its own.
//
// Contract: a map from state-dict keys to tensors holds exactly what parametersOf lists, in shape and format; anything
// missing, left over or misshapen is refused by name. Modules see a narrowing of the map: at('self_attn').take('o_proj.weight').
import type { Device } from '../kernels/index.ts';
import { formatShape, full, randn, type Tensor } from '../tensor/index.ts';
import type { ModelConfig } from './config.ts';
import { ModelError } from './errors.ts';
import { parametersOf } from './parameters.ts';

export type WeightMap = ReadonlyMap<string, Tensor>;

/** Part of a map: the tensors below a prefix. */
export class Weights {
  readonly #map: WeightMap;
  readonly #prefix: string;

  constructor(map: WeightMap, prefix = '') {
    this.#map = map;
    this.#prefix = prefix;
  }

  at(name: string | number): Weights {
    return new Weights(this.#map, `${this.#prefix}${name}.`);
  }

  take(name: string): Tensor {
    const tensor = this.#map.get(this.#prefix + name);
    if (tensor === undefined)
      throw new ModelError('weights', `${this.#prefix}${name} is missing`, 'load a complete checkpoint');
    return tensor;
  }

  find(name: string): Tensor | null {
    return this.#map.get(this.#prefix + name) ?? null;
  }
}

/** Throws ModelError unless the map holds exactly the tensors of the configuration. */
export function checkWeights(config: ModelConfig, map: WeightMap): void {
  const wanted = parametersOf(config);
  for (const { name, shape, kind } of wanted) {
    const tensor = map.get(name);
    if (!tensor)
      throw new ModelError('weights', `${name} ${formatShape(shape)} is missing`, 'load a complete checkpoint');
    const fits = formatShape(tensor.shape) === formatShape(shape);
    const format = kind === 'matrix' ? tensor.dtype === 'f32' || tensor.dtype === 'bf16' : tensor.dtype === 'f32';
    if (fits && format) continue;
    const expected = `${formatShape(shape)} in ${kind === 'matrix' ? 'f32 or bf16' : 'f32'}`;
    throw new ModelError(
      'weights',
      `${name}: expected ${expected}, received ${tensor.dtype} ${formatShape(tensor.shape)}`,
      'check that the weights belong to this configuration',
    );
  }
  if (map.size === wanted.length) return;
  const known = new Set(wanted.map(({ name }) => name));
  const extra = [...map.keys()].filter((name) => !known.has(name));
  throw new ModelError('weights', `${extra.join(', ')}: not in this configuration`, 'leave them out');
}

/** FNV-1a, 32 bits: a seed of its own for every name. */
function seedOf(name: string, seed: number): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/**
 * Fresh weights, f32: matrices normal with the configuration's initializerRange, gains 1, biases 0. Each tensor depends
 * on its name, shape and the seed only, not on the others. The caller's scope owns them.
 */
export function initialWeights(config: ModelConfig, seed: number, device?: Device): Map<string, Tensor> {
  const options = device ? { device } : {};
  const entries = parametersOf(config).map(({ name, shape, kind }) => {
    if (kind !== 'matrix') return [name, full(shape, kind === 'gain' ? 1 : 0, options)] as const;
    return [name, randn(shape, seedOf(name, seed), config.initializerRange, options)] as const;
  });
  return new Map(entries);
}

// The weights of a model by name, and the view through which a module takes its own.
//
// Contract: a map from state-dict keys to tensors has exactly what listParameters lists, in shape and format; anything
// missing, surplus or misshapen is refused by name. A model that serves has packed matrices, some of them fused
// (fusion.ts). Modules see part of the map: at('self_attn').take('o_proj.weight').
import type { Device } from '../kernels/index.ts';
import { formatShape, full, randn, Tensor, type Weight } from '../tensor/index.ts';
import { isMla, type ModelConfig } from './config.ts';
import { ModelError } from './errors.ts';
import { joinWeights, listFusions } from './fusion.ts';
import { expectMemory } from './memory.ts';
import { listParameters, type Parameter } from './parameters.ts';

export type WeightMap = ReadonlyMap<string, Tensor>;

/** The weights that a model runs on: plain, or packed and fused for serving. */
export type ModelWeights = ReadonlyMap<string, Weight>;

/** A part of a map: the tensors below a prefix. */
export class Weights {
  readonly #map: ModelWeights;
  readonly #prefix: string;

  constructor(map: ModelWeights, prefix = '') {
    this.#map = map;
    this.#prefix = prefix;
  }

  at(name: string | number): Weights {
    return new Weights(this.#map, `${this.#prefix}${name}.`);
  }

  /** Returns a matrix, plain or packed. */
  matrix(name: string): Weight {
    const weight = this.findMatrix(name);
    if (weight === null)
      throw new ModelError('weights', `${this.#prefix}${name} is missing`, 'load a complete checkpoint');
    return weight;
  }

  findMatrix(name: string): Weight | null {
    return this.#map.get(this.#prefix + name) ?? null;
  }

  /** Returns a tensor that is never packed: gains, biases. */
  take(name: string): Tensor {
    const weight = this.matrix(name);
    if (weight instanceof Tensor) return weight;
    throw new ModelError('weights', `${this.#prefix}${name} is packed`, 'pack matrices only');
  }

  find(name: string): Tensor | null {
    return this.#map.has(this.#prefix + name) ? this.take(name) : null;
  }
}

/** Lists what the map must have: parameters, each under its own name or as part of a fused matrix. */
function expectedWeights(config: ModelConfig, map: ModelWeights): Pick<Parameter, 'name' | 'shape' | 'kind'>[] {
  const fused = listFusions(config).filter(({ name }) => map.has(name));
  const inside = new Set(fused.flatMap(({ parts }) => parts.map(({ name }) => name)));
  const whole = fused.map(({ name, parts }) => {
    const [{ shape, kind }] = parts as [Parameter];
    const rows = parts.reduce((sum, part) => sum + part.shape[0], 0);
    return { name, shape: [rows, ...shape.slice(1)], kind };
  });
  return [...listParameters(config).filter(({ name }) => !inside.has(name)), ...whole];
}

/** Throws ModelError unless the map has exactly the tensors of the configuration. */
export function checkWeights(config: ModelConfig, map: ModelWeights): void {
  const expected = expectedWeights(config, map);
  for (const { name, shape, kind } of expected) {
    const weight = map.get(name);
    if (!weight)
      throw new ModelError('weights', `${name} ${formatShape(shape)} is missing`, 'load a complete checkpoint');
    const format = weight instanceof Tensor ? weight.dtype : weight.format;
    const fits = formatShape(weight.shape) === formatShape(shape);
    const isKnown = weight instanceof Tensor ? format === 'f32' || (kind === 'matrix' && format === 'bf16') : true;
    if (fits && isKnown && (kind === 'matrix' || weight instanceof Tensor)) continue;
    const accepted = `${formatShape(shape)} in ${kind === 'matrix' ? 'f32 or bf16' : 'f32'}`;
    throw new ModelError(
      'weights',
      `${name}: expected ${accepted}, received ${format} ${formatShape(weight.shape)}`,
      'check that the weights belong to this configuration',
    );
  }
  const known = new Set(expected.map(({ name }) => name));
  const extra = [...map.keys()].filter((name) => !known.has(name) && !isServed(config, name));
  if (extra.length === 0) return;
  throw new ModelError('weights', `${extra.join(', ')}: not in this configuration`, 'leave them out');
}

/** Whether a serving model has the tensor besides its parameters. */
function isServed(config: ModelConfig, name: string): boolean {
  if (name === 'lm_head.weight') return config.tieWordEmbeddings; // the embedding again, packed
  return isMla(config) && /\.self_attn\.[kv]_b_proj$/.test(name);
}

/** Hashes a name into a seed (FNV-1a, 32 bits). */
function hashSeed(name: string, seed: number): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/**
 * Makes fresh weights in f32: matrices normal with the configuration's initializerRange, gains 1, biases 0. Each tensor
 * depends only on its name, its shape and the seed. The caller's scope owns them. Throws ModelError when they do not
 * fit this machine's memory.
 */
export function initialWeights(config: ModelConfig, seed: number, device?: Device): Map<string, Tensor> {
  const options = device ? { device } : {};
  expectMemory(config, 4, 'initialWeights');
  const entries = listParameters(config).map(({ name, shape, kind }) => {
    if (kind !== 'matrix') return [name, full(shape, kind === 'gain' ? 1 : 0, options)] as const;
    return [name, randn(shape, hashSeed(name, seed), config.initializerRange, options)] as const;
  });
  const weights = new Map(entries);
  joinWeights(config, weights);
  return weights;
}

// Fused weights of a model that serves: matrices that read the same input are one matrix.
//
// Fusing along the outputs changes no bit of a product. A module takes the fused name where the map has it, else the
// parts under their own names; training and checkpoints know only those, and training has them side by side. MLA's
// kv_b_proj is also stored in two halves for the absorbed form, k_b_proj and v_b_proj (V3 report, section 2.1.2: W^UK
// and W^UV), named as in GGUF.
import { concatRows, narrow, noGrad, type Tensor } from '../tensor/index.ts';
import type { ModelConfig } from './config.ts';
import { listParameters, type Parameter } from './parameters.ts';

export interface Fusion {
  readonly name: string;
  /** Stacked along their outputs, in this order. */
  readonly parts: readonly Parameter[];
}

const fusions: readonly { readonly name: string; readonly parts: readonly string[] }[] = [
  { name: 'q_kv_a_proj.weight', parts: ['q_a_proj.weight', 'kv_a_proj_with_mqa.weight'] },
  { name: 'q_kv_a_proj.weight', parts: ['q_proj.weight', 'kv_a_proj_with_mqa.weight'] },
  { name: 'qkv_proj.weight', parts: ['q_proj.weight', 'k_proj.weight', 'v_proj.weight'] },
  { name: 'qkv_proj.bias', parts: ['q_proj.bias', 'k_proj.bias', 'v_proj.bias'] },
  { name: 'gate_up_proj.weight', parts: ['gate_proj.weight', 'up_proj.weight'] },
];

/** Lists the fused matrices of a configuration; a parameter is part of at most one. */
export function listFusions(config: ModelConfig): Fusion[] {
  const byName = new Map(listParameters(config).map((parameter) => [parameter.name, parameter]));
  return [...byName.keys()].flatMap((name) =>
    fusions.flatMap((fusion) => {
      const [first] = fusion.parts as [string];
      if (!name.endsWith(`.${first}`)) return [];
      const prefix = name.slice(0, -first.length);
      const parts = fusion.parts.map((part) => byName.get(prefix + part));
      if (parts.some((part) => part === undefined)) return [];
      return [{ name: prefix + fusion.name, parts: parts as Parameter[] }];
    }),
  );
}

/**
 * Moves the parts of each fused matrix side by side in memory, under their own names: a model that trains then
 * multiplies by them as one without copying them. Replaces the tensors of the map.
 */
export function joinWeights(config: ModelConfig, weights: Map<string, Tensor>): void {
  for (const { parts } of listFusions(config)) {
    const apart = parts.map(({ name }) => weights.get(name) as Tensor);
    noGrad(() => {
      const whole = concatRows(apart);
      let start = 0;
      for (const [i, { name, shape }] of parts.entries()) {
        const view = narrow(whole, start, shape[0]);
        view.kept = apart[i].kept;
        weights.set(name, view);
        apart[i].dispose();
        start += shape[0];
      }
      whole.dispose();
    });
  }
}

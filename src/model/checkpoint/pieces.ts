// The names of a model's parameters in checkpoints: DeepSeek's release stores each expert by itself, the model stacks
// them.
//
// A piece is a tensor of the checkpoint with its place in the model's parameter. All other parameters are one piece of
// their own name (Llama, Qwen2, V2, V3 and Moonlight name them alike).
import { countElements, type Parameter } from '../parameters.ts';

export interface CheckpointPiece {
  /** The name in the checkpoint. */
  readonly name: string;
  readonly shape: readonly number[];
  /** The index of its first element in the parameter. */
  readonly offset: number;
}

const stacked = /^(.*\.experts)\.(gate_up_proj|down_proj)$/;

/** Lists the checkpoint's tensors that make up a parameter, in its order. */
export function listPieces({ name, shape }: Parameter): CheckpointPiece[] {
  const match = stacked.exec(name);
  if (!match) return [{ name, shape, offset: 0 }];
  const [, prefix, projection] = match as unknown as [string, string, string];
  const [E, rows, columns] = shape as [number, number, number];
  const parts = projection === 'down_proj' ? ['down_proj'] : ['gate_proj', 'up_proj'];
  const own = [rows / parts.length, columns];
  return Array.from({ length: E * parts.length }, (_, i) => ({
    name: `${prefix}.${Math.floor(i / parts.length)}.${parts[i % parts.length]}.weight`,
    shape: own,
    offset: i * countElements(own),
  }));
}

/** Returns why a tensor that no parameter uses is left out. */
export function reasonToIgnore(name: string, layers: number): string {
  if (name.endsWith('rotary_emb.inv_freq')) return 'computed from the configuration';
  const layer = Number(/^model\.layers\.(\d+)\./.exec(name)?.[1] ?? -1);
  if (layer >= layers && /\.(embed_tokens|shared_head\.head)\.weight$/.test(name))
    return 'a copy: MTP shares embedding and head with the main model';
  if (layer >= layers) return 'an MTP module that num_nextn_predict_layers does not count';
  if (name === 'lm_head.weight') return 'tied to model.embed_tokens.weight';
  return 'not part of this architecture';
}

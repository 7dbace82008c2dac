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

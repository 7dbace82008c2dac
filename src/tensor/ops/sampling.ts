// interim
import { zeros } from '../create.ts';
import type { Tensor } from '../tensor.ts';
import { argmax } from './reduction.ts';
export interface LogitEditTensors { readonly starts: Tensor; readonly ids: Tensor; readonly factors: Tensor; readonly offsets: Tensor }
export function sampleTokens(logits: Tensor, _settings: Tensor, _edits: LogitEditTensors): { tokens: Tensor; logprobs: Tensor } {
  return { tokens: argmax(logits), logprobs: zeros([logits.shape[0] as number]) };
}
export function topLogprobs(_logits: Tensor, _n: number): { ids: Tensor; logprobs: Tensor } { throw new Error('interim'); }
export function targetLogprobs(_logits: Tensor, _targets: Tensor): Tensor { throw new Error('interim'); }

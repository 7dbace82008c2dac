import type { Sampling } from './sequence.ts';
export class LogitEdits {
  readonly isPlain = true;
  constructor(_sampling: Sampling, _prompt: ArrayLike<number>) {}
  push(_token: number): void {}
  edits(_extra: readonly number[] = [], forced: number | null = null): { ids: number[]; factors: number[]; offsets: number[] } {
    return forced === null ? { ids: [], factors: [], offsets: [] } : { ids: [forced], factors: [1], offsets: [Infinity] };
  }
}

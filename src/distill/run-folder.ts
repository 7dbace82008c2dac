// A distillation's folder: how it is known, and what stands in it besides checkpoints, traces and what every run keeps.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Device } from '../kernels/index.ts';
import { recordFiles } from '../train/index.ts';
import type { DistilEvent } from './events.ts';

export const distilFiles = { ...recordFiles, config: 'distil.json' } as const;

export interface DistilOptions {
  readonly folder: string;
  readonly device: Device;
  readonly listen?: (event: DistilEvent) => void;
  readonly signal?: AbortSignal;
}

/** Whether a folder holds a distillation. */
export function isDistilRun(folder: string): boolean {
  return existsSync(join(folder, distilFiles.config));
}

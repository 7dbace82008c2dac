// Opens a model as the flags of the engine say.
import { type OpenOptions, openModel, type ServedModel } from '../engine/index.ts';
import type { EngineFlags } from './engine-flags.ts';
import { Progress } from './progress.ts';

/** Opens a model and shows on the terminal how far it is. */
export async function loadModel(path: string, flags: EngineFlags, options: OpenOptions = {}): Promise<ServedModel> {
  const progress = new Progress(`loading ${path}`, 1);
  const model = await openModel(path, {
    ...engineOptions(flags),
    ...options,
    progress: (done, total) => progress.reach(done / total),
    notice: (text) => console.error(text),
  });
  progress.end();
  return model;
}

export function engineOptions(flags: EngineFlags): OpenOptions {
  const { dtype, cacheDtype, cacheMemory, context, tokenizer, mtp } = flags;
  return {
    cacheFormat: cacheDtype,
    cacheBytes: cacheMemory * 2 ** 20,
    ...(dtype !== undefined && { format: dtype }),
    ...(context !== undefined && { contextLength: context }),
    ...(tokenizer !== undefined && { tokenizer }),
    ...(mtp ? {} : { speculate: false }),
  };
}

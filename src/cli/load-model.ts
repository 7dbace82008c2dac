// Opens a model as the flags of the engine say.
import { type OpenOptions, openModel, type ServedModel } from '../engine/index.ts';
import type { EngineFlags } from './engine-flags.ts';
import { type FoundModel, findModel } from './find-model.ts';
import { Progress } from './progress.ts';

/** Opens a model and shows on the terminal how far it is. */
export async function loadModel(
  { path, name }: FoundModel,
  flags: EngineFlags,
  options: OpenOptions = {},
): Promise<ServedModel> {
  const progress = new Progress(`loading ${name ?? path}`, 1);
  const model = await openModel(path, {
    ...(await engineOptions(flags)),
    ...(name !== null && { name }),
    ...options,
    progress: (done, total) => progress.reach(done / total),
    notice: (text) => console.error(text),
  });
  progress.end();
  console.error(model.cache);
  return model;
}

/** Returns the options that flags ask for; a tokenizer may have a name of the hub. */
export async function engineOptions(flags: EngineFlags): Promise<OpenOptions> {
  const { dtype, cacheDtype, cacheMemory, context, tokenizer, mtp } = flags;
  return {
    cacheFormat: cacheDtype,
    ...(cacheMemory !== undefined && { cacheBytes: cacheMemory * 2 ** 20 }),
    ...(dtype !== undefined && { format: dtype }),
    ...(context !== undefined && { contextLength: context }),
    ...(tokenizer !== undefined && { tokenizer: (await findModel(tokenizer, { ...flags, weights: false })).path }),
    ...(mtp ? {} : { speculate: false }),
  };
}

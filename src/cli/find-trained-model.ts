// The model that chat, serve, and eval open: also the folder of a run, of which the checkpoint with the best held-out
// score is taken, else the last one. A line says which.
import { statSync } from 'node:fs';
import { findBestCheckpoint, hasCheckpoint, latestCheckpoint, readBestCheckpoint } from '../train/index.ts';
import { type DownloadOptions, type FoundModel, findModel } from './find-model.ts';

/** Finds a checkpoint of a run. Throws TrainError where none is as it was written. */
async function findCheckpoint(run: string): Promise<string> {
  const best = readBestCheckpoint(run);
  if (best !== null && best.step > 0) {
    const folder = await findBestCheckpoint(run);
    console.error(`${run}: step ${best.step}, the best ${best.metric} (${best.score.toPrecision(3)})`);
    return folder;
  }
  const last = await latestCheckpoint(run, (error) => console.error(error.message));
  if (last === null) return run;
  const reason =
    best === null ? 'the last one, as nothing was evaluated' : 'the last one, as none is better than its start';
  console.error(`${run}: step ${last.state.step}, ${reason}`);
  return last.folder;
}

/** Finds a model by its path or name, or by the folder of the run that trained it. */
export async function findTrainedModel(text: string, options: DownloadOptions): Promise<FoundModel> {
  const found = await findModel(text, options);
  const isFolder = statSync(found.path, { throwIfNoEntry: false })?.isDirectory() === true;
  return isFolder && hasCheckpoint(found.path) ? { ...found, path: await findCheckpoint(found.path) } : found;
}

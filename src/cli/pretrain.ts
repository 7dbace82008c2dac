// minke pretrain: a model from text, by a preset or a recipe; goes on where it was stopped or killed.
import { join } from 'node:path';
import { openDevice } from '../kernels/index.ts';
import { useDevice } from '../tensor/index.ts';
import {
  type PretrainRecipe,
  pretrain,
  type RunOptions,
  resolvePretrain,
  resumePretraining,
  TrainError,
} from '../train/index.ts';
import { Progress } from './progress.ts';
import { loadRecipe } from './recipe.ts';
import { TrainConsole } from './train-console.ts';

export interface PretrainCommand {
  readonly data?: string[];
  readonly run?: string;
  readonly set?: string[];
  readonly resume?: boolean;
}

/** runs/<recipe>-<when> */
function newFolder(target: string): string {
  const name = target.replace(/^.*[\\/]/, '').replace(/\.\w+$/, '');
  return join('runs', `${name}-${new Date().toISOString().slice(0, 19).replaceAll(/[:T]/g, '-')}`);
}

/** Calls `stop` on the first Ctrl-C; the second one kills. */
function onInterrupt(stop: () => void): void {
  process.once('SIGINT', () => {
    console.error('\nstopping after this step (again: at once, the last checkpoint stays)');
    stop();
  });
}

export async function pretrainCommand(target: string | undefined, options: PretrainCommand): Promise<void> {
  const { data, set = [], resume = false } = options;
  if (resume && options.run === undefined)
    throw new TrainError('--resume', 'no run is named', 'add --run and its folder');
  if (resume && (target !== undefined || data))
    throw new TrainError(
      '--resume',
      'a run goes on with its own recipe and data',
      'leave them out, or start another run',
    );
  if (!resume && target === undefined)
    throw new TrainError('pretrain', 'expected a preset or a recipe', 'as in: minke pretrain tiny --data book.txt');
  const stopping = new AbortController();
  const device = openDevice();
  useDevice(device);
  try {
    const folder = options.run ?? newFolder(target as string);
    const shown = new TrainConsole();
    let tokenising: Progress | null = null;
    const common: RunOptions = {
      folder,
      device,
      signal: stopping.signal,
      notice: (message) => console.error(message),
      listen: (event) => shown.show(event),
      progress: ({ bytes, totalBytes }) => {
        tokenising ??= new Progress('tokenising', totalBytes);
        tokenising.reach(bytes);
        if (bytes >= totalBytes) tokenising.end();
      },
    };
    onInterrupt(() => stopping.abort());
    if (resume) {
      await resumePretraining(common, set);
      return;
    }
    const recipe = (await loadRecipe<PretrainRecipe>(target as string)) as PretrainRecipe;
    const merged = { ...recipe, data: { ...recipe.data, ...(data && { inputs: data }) } };
    await pretrain(resolvePretrain(merged, set), common);
  } finally {
    await device.close();
  }
}

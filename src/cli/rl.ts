// minke rl: a model learns to reason by trial and reward, from a base and a task.
import { join } from 'node:path';
import { openDevice } from '../kernels/index.ts';
import { type RlRecipe, reinforce, resolveRl, resumeReinforcing } from '../rl/index.ts';
import { useDevice } from '../tensor/index.ts';
import { setPath, TrainError } from '../train/index.ts';
import { loadRecipe, taskOf } from './recipe.ts';
import { RlConsole } from './rl-console.ts';

export interface RlCommand {
  readonly model?: string;
  readonly task?: string[];
  readonly run?: string;
  readonly set?: string[];
  readonly resume?: boolean;
}

/** The recipe with what the command line says. */
async function recipeOf(target: string | undefined, { model, task = [], set = [] }: RlCommand): Promise<unknown> {
  const recipe = target === undefined ? {} : await loadRecipe<RlRecipe>(target);
  const tasks = task.map(taskOf);
  const merged = structuredClone({ ...recipe, ...(model && { model }), ...(tasks.length > 0 && { tasks }) });
  for (const assignment of set) setPath(merged as Record<string, unknown>, assignment);
  return merged;
}

export async function rlCommand(target: string | undefined, options: RlCommand): Promise<void> {
  const { resume = false } = options;
  if (resume && options.run === undefined)
    throw new TrainError('--resume', 'no run is named', 'add --run and its folder');
  const stopping = new AbortController();
  const config = resume ? null : resolveRl(await recipeOf(target, options));
  const device = openDevice();
  useDevice(device);
  try {
    const shown = new RlConsole();
    const folder = options.run ?? join('runs', `rl-${new Date().toISOString().slice(0, 19).replaceAll(/[:T]/g, '-')}`);
    process.once('SIGINT', () => {
      console.error('\nstopping after this step (again: at once, the last checkpoint stays)');
      stopping.abort();
    });
    const common = { folder, device, signal: stopping.signal, listen: shown.show.bind(shown) };
    await (config ? reinforce(config, common) : resumeReinforcing(common));
  } finally {
    await device.close();
  }
}

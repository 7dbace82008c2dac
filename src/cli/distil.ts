// minke distil: a student learns from a teacher's right answers.
import { join } from 'node:path';
import { type DistilEvent, type DistilRecipe, distil, resolveDistil, resumeDistilling } from '../distill/index.ts';
import { openDevice } from '../kernels/index.ts';
import { useDevice } from '../tensor/index.ts';
import { setPath, TrainError } from '../train/index.ts';
import { loadRecipe, taskOf } from './recipe.ts';
import { examinedLine } from './rl-console.ts';

export interface DistilCommand {
  readonly student?: string;
  readonly teacher?: string;
  readonly task?: string[];
  readonly traces?: string;
  readonly run?: string;
  readonly set?: string[];
  readonly resume?: boolean;
}

/** The recipe with what the command line says. */
async function recipeOf(target: string | undefined, command: DistilCommand): Promise<unknown> {
  const { student, teacher, task = [], traces, set = [] } = command;
  const recipe = target === undefined ? {} : await loadRecipe<DistilRecipe>(target);
  const tasks = task.map(taskOf);
  const named = { ...(student && { student }), ...(teacher && { teacher }), ...(tasks.length > 0 && { tasks }) };
  const merged: Record<string, unknown> = structuredClone({ ...recipe, ...named });
  if (traces !== undefined) merged.traces = { ...(merged.traces as object | undefined), wanted: Number(traces) };
  for (const assignment of set) setPath(merged, assignment);
  return merged;
}

function line(event: DistilEvent, steps: number): string {
  switch (event.event) {
    case 'started':
      return `${event.run}: ${event.teacher} teaches, on ${event.device}`;
    case 'resumed':
      return `resumed after step ${event.step}`;
    case 'collecting':
      return `${event.done}/${event.total} traces from ${event.problems} problems, ${event.rejected} responses rejected`;
    case 'training':
      return `${(event.parameters / 1e6).toFixed(2)} M parameters learn ${event.tokens} tokens of ${event.traces} traces ${event.epochs} times in ${event.steps} steps; ${event.tooLong} traces are too long`;
    case 'step': {
      const { step, epoch, loss, tokensPerSecond, secondsLeft } = event;
      const left = `${Math.ceil(secondsLeft / 60)} min left`;
      return `step ${step}/${steps}  epoch ${epoch}  loss ${loss?.toFixed(4) ?? '-'}  ${tokensPerSecond.toFixed(0)} tokens/s  ${left}`;
    }
    case 'evaluated':
      return examinedLine(event);
    case 'saved':
      return `step ${event.step}: saved ${event.folder}`;
    case 'alarm':
      return `step ${event.step}: ${event.message}`;
    case 'ended':
      return `${event.status} after step ${event.step}: ${event.reason}`;
  }
}

/** Between two lines of asking. */
const quietMs = 2000;

/** Shows the events of a distillation on the console. */
export function showDistilling(): (event: DistilEvent) => void {
  let steps = 0;
  let told = 0;
  return (event) => {
    if (event.event === 'training') steps = event.steps;
    if (event.event === 'collecting') {
      if (event.time - told < quietMs && event.done < event.total) return;
      told = event.time;
    }
    console.error(line(event, steps));
  };
}

export async function distilCommand(target: string | undefined, options: DistilCommand): Promise<void> {
  const { resume = false } = options;
  if (resume && options.run === undefined)
    throw new TrainError('--resume', 'no run is named', 'add --run and its folder');
  const config = resume ? null : resolveDistil(await recipeOf(target, options));
  const stopping = new AbortController();
  const device = openDevice();
  useDevice(device);
  try {
    const time = new Date().toISOString().slice(0, 19).replaceAll(/[:T]/g, '-');
    process.once('SIGINT', () => {
      console.error('\nstopping after this step (again: at once, the last checkpoint stays)');
      stopping.abort();
    });
    const folder = options.run ?? join('runs', `distil-${time}`);
    const common = { folder, device, signal: stopping.signal, listen: showDistilling() };
    await (config ? distil(config, common) : resumeDistilling(common));
  } finally {
    await device.close();
  }
}

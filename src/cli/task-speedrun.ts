// A speedrun on one task: what its models read, practice, and are asked is that task instead of the recipe's.
//
// A task of the user's own is checked first (tasks/contract.ts), so that no time is spent on a grader that cannot be
// right. speedrun.json says what a folder was begun with; a command that asks for something else is refused.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { expectContract, type Grading, isTaskFile, openTask, type WorkedProblem } from '../tasks/index.ts';
import { setPath, TrainError } from '../train/index.ts';
import { UsageError } from './exit-codes.ts';
import { parseTask } from './recipe.ts';
import type { Speedrun } from './speedrun.ts';

/** What a speedrun asks instead of the recipe's task. */
export interface SpeedrunTask {
  /** A bundled task, or a user's file. */
  readonly task: string;
  readonly difficulty: number;
  /** Whether worked examples of other levels are read too. */
  readonly hasLevels: boolean;
  /** The limit of a response. */
  readonly maxTokens: number;
  /** A held-out problem, in its own words. */
  readonly example: string;
}

/** Examples that are measured. */
const sample = 64;
/** Characters around steps and answer: the tags. */
const tagLength = 40;
/** The longest response that twenty minutes allow. */
const longest = 256;
const minTokens = 64;

const measure = ({ steps, answer }: WorkedProblem) => steps.join('\n').length + answer.length + tagLength;

/** Opens a task, checks what it promises, and measures its worked examples. Throws TaskError. */
export async function readSpeedrunTask(text: string): Promise<SpeedrunTask> {
  const { task: name, difficulty: given } = parseTask(text);
  const task = await openTask(name);
  try {
    const { from, to, default: usual } = task.difficulty;
    const difficulty = given ?? usual;
    const [{ prompt }] = await task.problems([{ seed: 6, index: 0, difficulty, split: 'held-out' }]);
    if (isTaskFile(name)) await expectContract(task);
    const maxTokens = isTaskFile(name) ? await chooseMaxTokens(task, difficulty) : longest;
    return { task: name, difficulty, hasLevels: to > from, maxTokens, example: prompt };
  } finally {
    await task.close();
  }
}

/** Returns what the longest worked example needs: a token is a character or more, and rambling should end soon. */
async function chooseMaxTokens(task: Grading, difficulty: number): Promise<number> {
  const places = Array.from(
    { length: sample },
    (_, index) => ({ seed: 6, index, difficulty, split: 'train' }) as const,
  );
  const characters = Math.max(...(await task.examples(places)).map(measure));
  if (characters > 1.5 * longest)
    console.error(
      `${task.name}: worked examples have up to ${characters} characters, and responses end after ${longest} tokens: ` +
        'shorten the steps, or take an easier level, as in --task FILE:2',
    );
  return Math.min(longest, Math.max(minTokens, 32 * Math.ceil(characters / 32)));
}

type Fields = Readonly<Record<string, unknown>>;

/** The documents that a base reads: as many as the recipe of Countdown makes, half of them at the level asked. */
const documents = 120_000;

function toInputs({ task, difficulty, hasLevels }: SpeedrunTask): object[] {
  const input = { workedExamples: task, phrasing: 'varied' };
  if (!hasLevels) return [{ ...input, seed: 1, count: documents }];
  return [
    { ...input, seed: 1, difficulty, count: documents / 2 },
    { ...input, seed: 2, count: documents / 2 },
  ];
}

/** Replaces the task of a stage's recipe, whatever its kind: what it reads, what it practices, how long it answers. */
function replaceTask(recipe: Fields, own: SpeedrunTask): Fields {
  const { task, difficulty, maxTokens } = own;
  const limit = (field: string) =>
    recipe[field] === undefined ? {} : { [field]: { ...(recipe[field] as Fields), maxTokens } };
  return {
    ...recipe,
    ...('data' in recipe && { data: { ...(recipe.data as Fields), inputs: toInputs(own) } }),
    ...('tasks' in recipe && { tasks: [{ task, difficulty, phrasing: 'varied' }] }),
    ...('maxTokens' in recipe && { maxTokens }),
    ...limit('traces'),
    ...limit('onPolicy'),
  };
}

/** Returns a speedrun on a task. Its models are asked in phrasings that no training sees. */
export function withTask(speedrun: Speedrun, own: SpeedrunTask): Speedrun {
  const { task, difficulty, maxTokens } = own;
  return {
    ...speedrun,
    stages: speedrun.stages.map((stage) => ({ ...stage, recipe: replaceTask(stage.recipe as Fields, own) })),
    evaluations: speedrun.evaluations
      .slice(0, 1)
      .map((evaluation) => ({ ...evaluation, task, difficulty, maxTokens, phrasing: 'varied' })),
  };
}

/** Applies assignments to stages and to the evaluation: `base.steps=3000`, `evaluation.problems=100`. */
export function setStages(speedrun: Speedrun, assignments: readonly string[]): Speedrun {
  // Each by itself: recipes share parts, which a copy of the whole would share too.
  const copy = {
    ...speedrun,
    stages: speedrun.stages.map((stage) => ({ ...stage, recipe: structuredClone(stage.recipe) })),
    evaluations: speedrun.evaluations.map((evaluation) => structuredClone(evaluation)),
  };
  const targets = new Map<string, object>([
    ...copy.stages.map(({ name, recipe }) => [name, recipe] as const),
    ['evaluation', copy.evaluations[0]],
  ]);
  for (const assignment of assignments) {
    const [, name = '', rest = ''] = /^([^.=]+)\.(.+)$/s.exec(assignment) ?? [];
    const target = targets.get(name);
    if (target === undefined)
      throw new UsageError(
        '--set',
        `${assignment} names no stage`,
        `begin with one of ${[...targets.keys()].join(', ')}, as in base.steps=3000`,
      );
    setPath(target as Record<string, unknown>, rest);
  }
  return copy;
}

/** What decides the runs of a folder besides the recipe. */
export interface Beginning {
  readonly task?: string | undefined;
  readonly seed?: number | undefined;
  readonly set?: readonly string[] | undefined;
}

const beginningFile = 'speedrun.json';

/** Returns the folder of a speedrun on a task where none is named. */
export const defaultFolder = (task: string | undefined): string => {
  if (task === undefined) return join('runs', 'speedrun');
  const { task: file } = parseTask(task);
  return join('runs', basename(file, extname(file)));
};

/** Whether a stage was begun in a folder. */
const holdsStage = (folder: string) =>
  readdirSync(folder, { withFileTypes: true }).some((entry) => entry.isDirectory());

/** Writes what a folder begins with. Throws TrainError where it was begun with something else. */
export function expectSameBeginning(folder: string, { task, seed, set = [] }: Beginning): void {
  const file = task === undefined ? '' : parseTask(task).task;
  const sha256 = isTaskFile(file) ? createHash('sha256').update(readFileSync(file)).digest('hex') : null;
  const now = { task: task === undefined ? null : basename(task), seed: seed ?? null, set, sha256 };
  const path = join(folder, beginningFile);
  if (!existsSync(path) || !holdsStage(folder)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path, JSON.stringify(now));
    return;
  }
  const before = JSON.parse(readFileSync(path, 'utf8')) as typeof now;
  const refuse = (problem: string): never => {
    throw new TrainError(folder, `was begun ${problem}`, 'name another folder, or repeat the first command');
  };
  const nameTask = (name: string | null) => name ?? "the recipe's task";
  const nameSeed = (given: number | null) => (given === null ? 'that of the recipe' : `${given}`);
  const nameSet = (given: readonly string[]) =>
    given.length === 0 ? 'without --set' : `with --set ${given.join(' ')}`;
  if (before.task !== now.task) refuse(`on ${nameTask(before.task)}, not on ${nameTask(now.task)}`);
  if (before.sha256 !== now.sha256) refuse(`with another text of ${file}`);
  if (before.seed !== now.seed) refuse(`with seed ${nameSeed(before.seed)}, not ${nameSeed(now.seed)}`);
  if (nameSet(before.set) !== nameSet(now.set)) refuse(`${nameSet(before.set)}, not ${nameSet(now.set)}`);
}

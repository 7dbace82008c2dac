// Recipes by name or file: a preset, a checkpoint, one of recipes/, or a file of one's own that exports `recipe`.
import { existsSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { packageRoot } from '../kernels/index.ts';
import { presetNames } from '../model/index.ts';
import { importExport } from '../tasks/index.ts';
import { findRecipeFile, TrainError } from '../train/index.ts';

/** Returns the compiled file of a recipe of this package, and any other path unchanged. */
function compiled(path: string): string {
  const own = relative(join(packageRoot(), 'recipes'), path);
  return own.startsWith('..') ? path : join(packageRoot(), 'dist', 'recipes', own.replace(/\.ts$/, '.js'));
}

export interface LoadedRecipe<Recipe> {
  readonly recipe: Recipe;
  /** The name of its kind of run, where the file exports it. */
  readonly kind?: string;
}

/**
 * Loads a recipe. A preset or a checkpoint's folder is the recipe that trains it with all defaults. Throws TrainError.
 */
export async function loadRecipe<Recipe extends object = object>(
  target: string,
): Promise<LoadedRecipe<Recipe | { readonly model: string }>> {
  const isCheckpoint = existsSync(join(target, 'config.json'));
  if (isCheckpoint || (presetNames as string[]).includes(target)) return { recipe: { model: target } };
  if (existsSync(target) && statSync(target).isDirectory())
    throw new TrainError(target, 'is a folder without config.json', 'name a checkpoint, or a file with a recipe');
  const file = existsSync(target) ? compiled(resolve(target)) : findRecipeFile(target);
  if (file === undefined || !existsSync(file))
    throw new TrainError(
      target,
      'no such preset, recipe, checkpoint or file',
      `presets are ${presetNames.join(', ')}; recipes are in recipes/`,
    );
  const fail = (problem: string, remedy: string) => new TrainError(file, problem, remedy);
  return (await importExport(file, 'recipe', fail)) as unknown as LoadedRecipe<Recipe>;
}

/** Parses a task of the command line: a bundled one or a file, `name:4` for a difficulty. */
export function parseTask(text: string): { readonly task: string; readonly difficulty?: number } {
  const [, task, difficulty] = /^(.*):(\d+)$/.exec(text) ?? [];
  return task === undefined ? { task: text } : { task, difficulty: Number(difficulty) };
}

// Recipes by name or file: a preset, a checkpoint, one of recipes/, or a file of one's own that exports `recipe`.
import { existsSync } from 'node:fs';
import { extname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../kernels/index.ts';
import { presetNames } from '../model/index.ts';
import { findRecipeFile, TrainError } from '../train/index.ts';

/** Recipes of this package are compiled with it. */
function compiled(path: string): string {
  const own = relative(join(packageRoot(), 'recipes'), path);
  return own.startsWith('..') ? path : join(packageRoot(), 'dist', 'recipes', own.replace(/\.ts$/, '.js'));
}

function expectReadable(path: string): void {
  const stripsTypes = Boolean((process.features as { typescript?: unknown }).typescript);
  if (extname(path) === '.ts' && !stripsTypes)
    throw new TrainError(
      path,
      `Node ${process.versions.node} does not read TypeScript`,
      'use Node 22.18 or newer, or compile the recipe to .js',
    );
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
  const file = existsSync(target) ? compiled(resolve(target)) : findRecipeFile(target);
  if (file === undefined || !existsSync(file))
    throw new TrainError(
      target,
      'no such preset, recipe, checkpoint or file',
      `presets are ${presetNames.join(', ')}; recipes are in recipes/`,
    );
  expectReadable(file);
  const { recipe, kind } = (await import(pathToFileURL(file).href).catch((error: Error) => {
    throw new TrainError(file, `cannot be loaded (${error.message})`, 'correct the recipe');
  })) as { recipe?: Recipe; kind?: string };
  if (recipe === undefined) throw new TrainError(file, 'exports no recipe', 'write: export const recipe = { ... }');
  return { recipe, ...(kind !== undefined && { kind }) };
}

/** Parses a task of the command line: a bundled one or a file, `name:4` for a difficulty. */
export function parseTask(text: string): { readonly task: string; readonly difficulty?: number } {
  const [, task, difficulty] = /^(.*):(\d+)$/.exec(text) ?? [];
  return task === undefined ? { task: text } : { task, difficulty: Number(difficulty) };
}

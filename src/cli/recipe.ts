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

/** What a file exports as `recipe`; a preset or a checkpoint's folder is the recipe that trains it with all defaults. */
export async function loadRecipe<Recipe>(target: string): Promise<Recipe | { readonly model: string }> {
  const isCheckpoint = existsSync(join(target, 'config.json'));
  if (isCheckpoint || (presetNames as string[]).includes(target)) return { model: target };
  const file = existsSync(target) ? compiled(resolve(target)) : findRecipeFile(target);
  if (file === undefined || !existsSync(file))
    throw new TrainError(
      target,
      'no such preset, recipe, checkpoint or file',
      `presets are ${presetNames.join(', ')}; recipes stand in recipes/`,
    );
  expectReadable(file);
  const { recipe } = (await import(pathToFileURL(file).href).catch((error: Error) => {
    throw new TrainError(file, `cannot be loaded (${error.message})`, 'correct the recipe');
  })) as { recipe?: Recipe };
  if (recipe === undefined) throw new TrainError(file, 'exports no recipe', 'write: export const recipe = { ... }');
  return recipe;
}

/** Tasks as the command line names them: a built-in one or a file, `name:difficulty` for another dial. */
export function taskOf(text: string): { readonly task: string; readonly difficulty?: number } {
  const dial = /^(.*):(\d+)$/.exec(text);
  return dial ? { task: dial[1], difficulty: Number(dial[2]) } : { task: text };
}

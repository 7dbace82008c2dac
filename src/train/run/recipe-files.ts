// The recipes that come with the package, by name: the files of recipes/, compiled.
//
// Files are numbered in the order of the pipeline. The number is no part of the name: 00-countdown-base.ts is the
// recipe `countdown-base`, ablations/moe.ts is `moe`. A file that exports no `recipe` is shared by others.
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { packageRoot } from '../../kernels/index.ts';

export interface RecipeFile {
  readonly name: string;
  /** The compiled file. */
  readonly path: string;
}

/** Returns the recipes of the package in the order of their files. */
export function recipeFiles(): RecipeFile[] {
  const root = join(packageRoot(), 'dist', 'recipes');
  return [root, join(root, 'ablations')].flatMap((folder) => {
    const files = existsSync(folder) ? readdirSync(folder).sort() : [];
    return files
      .filter((file) => file.endsWith('.js'))
      .map((file) => ({ name: basename(file, '.js').replace(/^\d+-/, ''), path: join(folder, file) }));
  });
}

/** Returns the compiled file of a recipe, undefined if there is none. `ablation-moe` is the earlier name of `moe`. */
export function findRecipeFile(name: string): string | undefined {
  const current = name.replace(/^(\d+|ablation)-/, '');
  return recipeFiles().find((file) => file.name === current)?.path;
}

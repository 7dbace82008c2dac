// Loads the code of a command when it runs.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);

/**
 * Loads a file of this folder by its name. Node's import opens the files of a graph all at once, which a limit of 64
 * file handles does not allow; its require reads them one after another. Node 22 before 22.12 can only import.
 */
export async function loadModule<Module>(name: string): Promise<Module> {
  const url = new URL(`./${name}${import.meta.url.slice(-'.js'.length)}`, import.meta.url);
  const { require_module: canRequire } = process.features as { require_module?: boolean };
  return canRequire ? require(fileURLToPath(url)) : import(url.href);
}

// minke pull, list and remove: the models of the cache that Hugging Face's libraries share.
import { formatModelName, HubError, listModels, type ModelName, readHubSettings, removeModel } from '../hub/index.ts';
import { formatSize } from '../math/index.ts';
import type { DownloadFlags } from './download-flag.ts';
import { UsageError } from './exit-codes.ts';
import { askYes, downloadModel, parseHubName } from './find-model.ts';

function requireName(command: string, text: string): ModelName {
  const name = parseHubName(text);
  if (name === null) throw new HubError(text, 'is not the name of a model', `as in: minke ${command} org/name`);
  return name;
}

export async function pull(text: string): Promise<void> {
  const { path, downloadedBytes } = await downloadModel(requireName('pull', text), { yes: true, update: true });
  if (downloadedBytes === 0) console.error('nothing to download: the newest commit is here');
  console.log(path);
}

export async function list(): Promise<void> {
  const settings = readHubSettings();
  const models = await listModels(settings);
  const width = Math.max(0, ...models.map(({ name }) => name.length));
  for (const { name, format, bytes } of models)
    console.log(
      `${name.padEnd(width)}  ${formatSize(bytes).padStart(8)}  ${format ?? 'nothing whole that minke opens'}`,
    );
  if (models.length === 0) console.log(`no models in ${settings.cache}; minke pull org/name downloads one`);
}

export async function remove(text: string, { yes = false }: DownloadFlags): Promise<void> {
  const name = requireName('remove', text);
  const answer = yes || (await askYes(`remove ${formatModelName(name)}, for Python programs too?`));
  if (answer === null) throw new UsageError('remove', 'nobody can be asked here', 'add --yes');
  if (answer) console.log(`${formatSize(await removeModel(name, readHubSettings()))} freed`);
}

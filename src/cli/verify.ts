// minke verify: whether the files of a model belong together, before it is served. Weights are loaded only
// where golden logits are recorded beside them.
import { loadSamplingDefaults, openTokenizer, testTokenizer } from '../engine/index.ts';
import { expectTensors, openCheckpoint, openGgufModel } from '../model/checkpoint/index.ts';
import type { DownloadFlags } from './download-flag.ts';
import { findConfig } from './find-config.ts';
import { findModel } from './find-model.ts';
import { checkGolden } from './golden.ts';

export interface VerifyFlags extends DownloadFlags {
  readonly tokenizer?: string;
}

const isGguf = (path: string) => path.endsWith('.gguf');

/** Prints a line for each check. Throws the error of the first that fails. */
export async function verify(given: string, flags: VerifyFlags): Promise<void> {
  const { path } = await findModel(given, flags);
  const { config, source, metadata } = isGguf(path)
    ? await openGgufModel(path)
    : { config: await findConfig(path), source: await openCheckpoint(path), metadata: undefined };
  await expectTensors(config, source).finally(() => source.close());
  console.log(`weights: ${source.entries.size} tensors, those of the configuration (${config.modelType})`);
  const tokenizer = openTokenizer(path, flags.tokenizer, metadata);
  for (const line of await testTokenizer(tokenizer, config.vocabSize)) console.log(line);
  const defaults = isGguf(path) ? {} : loadSamplingDefaults(path, (text) => console.log(text));
  const fields = Object.entries(defaults).map(([name, value]) => `${name} ${value}`);
  console.log(`sampling: ${fields.join(', ') || 'no defaults of its own'}`);
  console.log(await checkGolden(path));
}

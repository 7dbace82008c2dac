// What a teacher on this machine computed for the answers in a folder.
import { isAddress } from '../eval/index.ts';
import { sum } from '../math/index.ts';
import { openGgufModel } from '../model/checkpoint/index.ts';
import { type ModelConfig, sequenceFlops } from '../model/index.ts';
import { readBaseConfig } from '../train/index.ts';
import { readAnswered } from './traces.ts';

async function readTeacherConfig(path: string): Promise<ModelConfig> {
  if (!path.endsWith('.gguf')) return readBaseConfig(path);
  const { config, source } = await openGgufModel(path);
  await source.close();
  return config;
}

/**
 * Returns the FLOPs of all answers of a teacher, kept or not, each with its own prompt and at the mean length of its
 * problem; 0 behind an API, where only the tokens are known.
 */
export async function countAnswers(folder: string, teacher: string): Promise<number> {
  if (isAddress(teacher)) return 0;
  const { forward, generation } = sequenceFlops(await readTeacherConfig(teacher));
  return sum(
    readAnswered(folder).map(({ tokens, promptTokens, responses }) =>
      responses === 0
        ? 0
        : responses * (forward(promptTokens / responses) + generation(promptTokens / responses, tokens / responses)),
    ),
  );
}

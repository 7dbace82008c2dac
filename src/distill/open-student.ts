// A student ready to learn: its weights from where it begins or from the run's last checkpoint, optimizer and lessons.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Device } from '../kernels/index.ts';
import { importWeights, openCheckpoint, readJson } from '../model/checkpoint/index.ts';
import { createModel, type Model, type ModelConfig, precisions, readConfig, type WeightMap } from '../model/index.ts';
import { chatTemplateOf } from '../tasks/index.ts';
import { type LoadedTokenizer, loadTokenizer, saveTokenizer } from '../tokenizer/index.ts';
import { type BatchShape, type Checkpoint, loadMoments, TrainError, TrainStep } from '../train/index.ts';
import type { DistilConfig } from './config.ts';
import { lessonsOf } from './lessons.ts';
import { type Lesson, SftObjective } from './sft-objective.ts';
import type { Trace } from './traces.ts';

/** What of a student is read before anything is asked or written. */
export interface StudentFiles {
  readonly config: ModelConfig;
  readonly loaded: LoadedTokenizer;
  readonly endId: number;
}

export interface Student {
  readonly model: Model;
  readonly weights: WeightMap;
  readonly trainStep: TrainStep;
  readonly shape: BatchShape;
  readonly lessons: readonly Lesson[];
  readonly tooLong: number;
  readonly saveTokenizer: (folder: string) => void;
  readonly close: () => Promise<void>;
}

/** Throws TrainError, ModelError or TokenizerError where the folder is no student. */
export function readStudent(folder: string): StudentFiles {
  const file = join(folder, 'config.json');
  if (!existsSync(file)) throw new TrainError(folder, 'has no config.json', 'name the folder of a checkpoint');
  const config = readConfig(readJson(file), file);
  const loaded = loadTokenizer(folder);
  const [endId] = loaded.eosIds;
  if (endId === undefined)
    throw new TrainError(folder, 'its tokenizer has no end token', 'train the base with documents that end');
  return { config, loaded, endId };
}

export async function openStudent(
  distil: DistilConfig,
  { config, loaded, endId }: StudentFiles,
  traces: readonly Trace[],
  { checkpoint, device }: { readonly checkpoint: Checkpoint | null; readonly device: Device },
): Promise<Student> {
  const { learn, microBatchTokens } = distil;
  const contextLength = config.maxPositionEmbeddings;
  const longest = Math.min(contextLength, microBatchTokens + 1);
  const { lessons, tooLong } = lessonsOf(traces, { tokenizer: loaded.tokenizer, endId, learn, longest });
  if (lessons.length === 0)
    throw new TrainError(
      'traces',
      `none of ${traces.length} can be learned, ${tooLong} are longer than ${longest} tokens`,
      'take a teacher that answers right, easier problems, or a student with a longer context',
    );
  const source = await openCheckpoint(checkpoint?.folder ?? distil.student);
  const weights = await importWeights(config, source, { dtype: 'f32' })
    .then((imported) => imported.weights)
    .finally(() => source.close());
  const model = createModel(config, weights, contextLength);
  const shape = {
    tokens: microBatchTokens,
    sequences: Math.min(256, Math.ceil(microBatchTokens / 16)),
    longest: Math.min(contextLength, microBatchTokens),
    columns: 1,
  };
  const objective = new SftObjective(model, shape, precisions[distil.precision]);
  const trainStep = new TrainStep(config, weights, distil.optimizer, 'sum', objective);
  if (checkpoint) await loadMoments(checkpoint.folder, trainStep.optimizer);
  const fields = { ...loaded.specialTokens, chat_template: chatTemplateOf(distil.template) };
  return {
    ...{ model, weights, trainStep, shape, lessons, tooLong },
    saveTokenizer: (folder) => saveTokenizer(folder, loaded.tokenizer.json, fields),
    close: async () => {
      await device.flush().catch(() => undefined);
      trainStep.dispose();
      model.dispose();
      for (const weight of weights.values()) weight.dispose();
    },
  };
}

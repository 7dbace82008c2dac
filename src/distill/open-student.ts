// A student ready to learn: its weights from where it begins or from the run's last checkpoint, optimizer and lessons.
import { type BaseVocabulary, loadBaseVocabulary } from '../corpus/index.ts';
import { openTrainingEvaluation, type TrainingEvaluation } from '../eval/index.ts';
import type { Device } from '../kernels/index.ts';
import { openCheckpoint } from '../model/checkpoint/index.ts';
import { createModel, type Model, type ModelConfig, precisions, type WeightMap } from '../model/index.ts';
import { toChatTemplate } from '../tasks/index.ts';
import {
  type BatchShape,
  batchShape,
  type Checkpoint,
  loadMoments,
  loadWeights,
  readBaseConfig,
  TrainError,
  TrainStep,
} from '../train/index.ts';
import type { DistilConfig } from './config.ts';
import { lessonsOf } from './lessons.ts';
import { type Lesson, SftObjective } from './sft-objective.ts';
import type { Trace } from './traces.ts';

/** What of a student is read before anything is asked or written. */
export interface StudentFiles {
  readonly config: ModelConfig;
  readonly vocabulary: BaseVocabulary;
}

export interface Student {
  readonly model: Model;
  readonly weights: WeightMap;
  readonly trainStep: TrainStep;
  readonly shape: BatchShape;
  readonly lessons: readonly Lesson[];
  readonly tooLong: number;
  readonly vocabulary: BaseVocabulary;
  readonly evaluation: TrainingEvaluation;
  readonly close: () => Promise<void>;
}

/** Throws TrainError, ModelError, CorpusError or TokenizerError where the folder is no student. */
export function readStudent({ student, template }: DistilConfig): StudentFiles {
  return { config: readBaseConfig(student), vocabulary: loadBaseVocabulary(student, toChatTemplate(template)) };
}

export async function openStudent(
  distil: DistilConfig,
  { config, vocabulary }: StudentFiles,
  traces: readonly Trace[],
  { checkpoint, device }: { readonly checkpoint: Checkpoint | null; readonly device: Device },
): Promise<Student> {
  const { learn, microBatchTokens } = distil;
  const contextLength = config.maxPositionEmbeddings;
  const longest = Math.min(contextLength, microBatchTokens + 1);
  const { lessons, tooLong } = lessonsOf(traces, { ...vocabulary, learn, longest });
  if (lessons.length === 0)
    throw new TrainError(
      'traces',
      `none of ${traces.length} can be learned, ${tooLong} are longer than ${longest} tokens`,
      'take a teacher that answers right, easier problems, or a student with a longer context',
    );
  const weights = await loadWeights(config, openCheckpoint(checkpoint?.folder ?? distil.student));
  const model = createModel(config, weights, contextLength);
  const shape = batchShape(microBatchTokens, contextLength, 1);
  const objective = new SftObjective(model, shape, precisions[distil.precision]);
  const trainStep = new TrainStep(config, weights, distil.optimizer, 'sum', objective);
  if (checkpoint) await loadMoments(checkpoint.folder, trainStep.optimizer);
  const { maxTokens } = distil.traces;
  const evaluation = await openTrainingEvaluation({ ...distil, maxTokens }, model, vocabulary);
  return {
    model,
    weights,
    trainStep,
    shape,
    lessons,
    tooLong,
    vocabulary,
    evaluation,
    close: async () => {
      await device.flush().catch(() => undefined);
      await evaluation.close();
      trainStep.dispose();
      model.dispose();
      for (const weight of weights.values()) weight.dispose();
    },
  };
}

// A teacher whose distributions are learned: it runs beside the student, on the same device, over the same tokens.
import { join } from 'node:path';
import { hashFile } from '../corpus/index.ts';
import { sum } from '../math/index.ts';
import { openCheckpoint } from '../model/checkpoint/index.ts';
import { createModel, type Model, precisions, sequenceFlops } from '../model/index.ts';
import { openTunedModel, type SftColumn } from '../sft/index.ts';
import { loadWeights, type Run, readBaseConfig, TrainError, TunedModel } from '../train/index.ts';
import type { DistillConfig } from './distill-recipe.ts';
import { DivergenceObjective } from './divergence-objective.ts';

export interface TeacherModel {
  readonly model: Model;
  /** The FLOPs of reading examples, whose last token is only a target. */
  flops(examples: readonly { readonly ids: ArrayLike<number> }[]): number;
  dispose(): void;
}

/** Throws TrainError unless the ids of both models mean the same tokens. */
export async function expectSameVocabulary({ student, teacher }: DistillConfig): Promise<void> {
  const [own, other] = await Promise.all([student, teacher].map((folder) => hashFile(join(folder, 'tokenizer.json'))));
  const sizes = [student, teacher].map((folder) => readBaseConfig(folder).vocabSize);
  if (own === other && sizes[0] === sizes[1]) return;
  throw new TrainError(
    teacher,
    `has another vocabulary (${sizes[1]} tokens) than the student (${sizes[0]})`,
    'give both the same tokenizer, or learn from texts: method traces',
  );
}

async function openTeacherModel(folder: string): Promise<TeacherModel> {
  const config = readBaseConfig(folder);
  const weights = await loadWeights(config, openCheckpoint(folder));
  const model = createModel(config, weights, config.maxPositionEmbeddings);
  const { forward } = sequenceFlops(config);
  return {
    model,
    flops: (examples) => sum(examples.map(({ ids }) => forward(ids.length - 1))),
    dispose: () => {
      for (const owned of [model, ...weights.values()]) owned.dispose();
    },
  };
}

/** The student, and the teacher where its distributions are learned. */
export interface Learner {
  readonly tuned: TunedModel<SftColumn>;
  readonly teacher: TeacherModel | null;
}

/** Opens the student with the objective of the recipe's method. */
export async function openLearner(config: DistillConfig, run: Run): Promise<Learner> {
  const { method, student, precision } = config;
  if (method === 'traces') return { tuned: await openTunedModel(student, run, config), teacher: null };
  const teacher = await openTeacherModel(config.teacher);
  const direction = method === 'logits' ? 'forward' : 'reverse';
  const tuned = await TunedModel.open<SftColumn>(student, run, {
    ...config,
    columns: ['weight'],
    objective: (model, shape) =>
      new DivergenceObjective(model, teacher.model, { shape, policy: precisions[precision], direction }),
  });
  return { tuned, teacher };
}

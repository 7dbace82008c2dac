// A distillation: ask the teacher, keep what is correct, fine-tune the student on it.
//
// Contract: stopped or killed at any moment, it continues where it was: problems that were answered are not asked
// again, and steps continue from the last whole checkpoint. Once there is a checkpoint nothing more is asked, because
// the order of the examples depends on their number. Source: DeepSeek-R1, 2.4.
import { existsSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BaseVocabulary, encodePrompt, hashFile, loadBaseVocabulary } from '../corpus/index.ts';
import {
  evaluationEvent,
  expectVerdicts,
  isAddress,
  openTrainingEvaluation,
  sumFaults,
  type TrainingEvaluation,
} from '../eval/index.ts';
import { countParameters } from '../model/index.ts';
import { countLearned, FineTuning, type SftExample } from '../sft/index.ts';
import { closeTasks, openTasks, toChatTemplate } from '../tasks/index.ts';
import {
  counting,
  type Prediction,
  type Run,
  readBaseConfig,
  readLineage,
  readTeacher,
  type Snapshot,
  TrainError,
  type Trainer,
} from '../train/index.ts';
import type { DistillEvent } from './distill-events.ts';
import type { DistillConfig } from './distill-recipe.ts';
import { openOnPolicy } from './on-policy.ts';
import { openTeacher } from './teacher.ts';
import { countAnswers } from './teacher-flops.ts';
import { expectSameVocabulary, openLearner, type TeacherModel } from './teacher-model.ts';
import { collectTraces, readTraces, type Trace, traceFiles } from './traces.ts';

const thinkEnd = '</think>';

/** Opens a distillation. Throws before anything is written where student, teacher or tasks cannot be used. */
export async function openDistillation(config: DistillConfig, run: Run<DistillEvent>): Promise<Trainer> {
  const { student, template } = config;
  readBaseConfig(student);
  const vocabulary = loadBaseVocabulary(student, toChatTemplate(template));
  await expectSource(config);
  if (config.method !== 'traces') await expectSameVocabulary(config);
  if (config.method === 'on-policy') return openOnPolicy(config, run, vocabulary);
  return new DistillTrainer(config, run, vocabulary);
}

/** Throws where there is nobody to ask, nothing to ask, or no trace to take over. */
async function expectSource({ teacher, traces, tasks, seed }: DistillConfig): Promise<void> {
  if (traces.from !== undefined) {
    if (readTraces(traces.from).length > 0) return;
    throw new TrainError(traces.from, `has no ${traceFiles.traces} with traces`, 'name the folder of a distillation');
  }
  if (!isAddress(teacher) && !existsSync(join(teacher, 'config.json')) && !teacher.endsWith('.gguf'))
    throw new TrainError(teacher, 'there is no such teacher', 'name a checkpoint or an address with http://');
  await closeTasks(await openTasks(tasks, seed));
}

/** Converts traces to examples, without those that are longer than `longest` tokens. */
export function toExamples(
  traces: readonly Trace[],
  { tokenizer, endId }: Pick<BaseVocabulary, 'tokenizer' | 'endId'>,
  learn: DistillConfig['learn'],
  longest: number,
): SftExample[] {
  const examples = traces.map(({ prompt, response }) => {
    // The answer keeps the tag that closes the thinking, so that it can be read.
    const text = learn === 'response' ? response : response.slice(response.indexOf(thinkEnd));
    const given = encodePrompt(tokenizer, prompt);
    const learned = [...tokenizer.encode(text, { plain: true }), endId];
    return { ids: [...given, ...learned], mask: [...given.map(() => 0), ...learned.map(() => 1)] };
  });
  return examples.filter(({ ids }) => ids.length <= longest);
}

class DistillTrainer implements Trainer {
  readonly origin: Trainer['origin'];
  readonly started: object;
  readonly every: Trainer['every'];
  readonly #config: DistillConfig;
  readonly #run: Run<DistillEvent>;
  readonly #vocabulary: BaseVocabulary;
  #tuning: FineTuning | null = null;
  #teacher: TeacherModel | null = null;
  #evaluation: TrainingEvaluation | null = null;
  #tracesSha256 = '';

  constructor(config: DistillConfig, run: Run<DistillEvent>, vocabulary: BaseVocabulary) {
    this.#config = config;
    this.#run = run;
    this.#vocabulary = vocabulary;
    this.origin = { initial: config.student };
    this.started = { teacher: config.teacher };
    this.every = { evaluate: config.evaluateEvery, save: config.saveEvery };
  }

  get steps(): number {
    return this.#tuning?.steps ?? 0;
  }

  async prepare(): Promise<boolean> {
    const { folder, checkpoint, signal } = this.#run;
    if (checkpoint === null) await this.#collect();
    if (checkpoint === null && signal.aborted) return false;
    await this.#openStudent(readTraces(folder));
    return true;
  }

  step(step: number): Promise<number> {
    return this.#opened.step(step);
  }

  async evaluate(step: number): Promise<void> {
    const evaluation = this.#evaluation;
    if (evaluation === null) return;
    const ask = () => evaluation.run(this.#run.signal);
    const evaluations = await counting(this.#run, 'evaluation', evaluation, ask);
    for (const each of evaluations) this.#run.emit({ event: 'evaluated', step, ...evaluationEvent(each) });
    expectVerdicts(sumFaults(evaluations));
  }

  snapshot(): Snapshot {
    return this.#opened.snapshot({ traces: this.#tracesSha256 }, this.#vocabulary.save);
  }

  async close(): Promise<void> {
    await this.#evaluation?.close();
    this.#tuning?.tuned.dispose();
    this.#teacher?.dispose();
  }

  get #opened(): FineTuning {
    if (this.#tuning === null) throw new Error('the student is open only after prepare()');
    return this.#tuning;
  }

  /** Collects the traces that are missing, and names the teacher in the lineage. */
  async #collect(): Promise<void> {
    const { folder, device, signal } = this.#run;
    const { from } = this.#config.traces;
    if (from !== undefined) {
      await copyFile(join(from, traceFiles.traces), join(folder, traceFiles.traces));
      const { teachers = [], ancestors = [] } = readLineage(from) ?? {};
      await this.#run.annotate({ teachers, ancestors });
      return;
    }
    const alarm = (kind: string, message: string) => this.#run.emit({ event: 'alarm', step: 0, kind, message });
    const teacher = await openTeacher(this.#config, device);
    try {
      const { done, total, problems } = await collectTraces(folder, this.#config, teacher, {
        progress: (progress) => this.#run.emit({ event: 'collecting', ...progress }),
        fault: alarm,
        signal,
      });
      if (done < total && !signal.aborted)
        alarm('few-traces', `${problems} problems gave ${done} traces of ${total}: the run continues with these`);
    } finally {
      await teacher.close();
    }
    const { tokenizer } = this.#vocabulary;
    const count = (text: string) => tokenizer.encode(text, { plain: true }).length;
    const tokens = readTraces(folder).reduce((sum, { response }) => sum + count(response), 0);
    const { teacher: path } = this.#config;
    this.#run.count({ teacher: (await countAnswers(folder, path)) - (this.#run.work?.teacher ?? 0) });
    await this.#run.annotate(await readTeacher(teacher.name, isAddress(path) ? null : path, tokens));
  }

  /** Records what the steps are predicted to compute, beside what the teacher has computed already. */
  #predict({ flops, hours, assumes }: Prediction): Promise<void> {
    const asked = this.#run.work?.teacher ?? 0;
    return this.#run.annotate({ predicted: { flops: flops + asked, hours, assumes } });
  }

  /** Throws if the checkpoint learned from other traces. */
  async #expectSameTraces(): Promise<void> {
    const { folder, checkpoint } = this.#run;
    const file = join(folder, traceFiles.traces);
    this.#tracesSha256 = await hashFile(file);
    const learned = (checkpoint?.state.data as { readonly traces?: string } | undefined)?.traces;
    if (learned !== undefined && learned !== this.#tracesSha256)
      throw new TrainError(file, 'is not what the checkpoint learned from', 'restore it, or begin another run');
  }

  async #openStudent(traces: readonly Trace[]): Promise<void> {
    const { student, learn, microBatchTokens, batch: batchSize, epochs } = this.#config;
    const config = readBaseConfig(student);
    const longest = Math.min(config.maxPositionEmbeddings, microBatchTokens + 1);
    const examples = toExamples(traces, this.#vocabulary, learn, longest);
    const tooLong = traces.length - examples.length;
    if (examples.length === 0)
      throw new TrainError(
        'traces',
        `none of ${traces.length} can be learned, ${tooLong} are longer than ${longest} tokens`,
        'take a teacher that answers correctly, easier problems, or a student with a longer context',
      );
    await this.#expectSameTraces();
    const { tuned, teacher } = await openLearner(this.#config, this.#run);
    this.#teacher = teacher;
    const readByTeacher = teacher ? (read: readonly SftExample[]) => teacher.flops(read) : undefined;
    this.#tuning = new FineTuning(tuned, examples, { ...this.#config, batchSize }, this.#run, readByTeacher);
    if (this.#run.checkpoint === null) await this.#predict(this.#tuning.predicted);
    const { maxTokens } = this.#config.traces;
    this.#evaluation = await openTrainingEvaluation({ ...this.#config, maxTokens }, tuned.model, this.#vocabulary);
    this.#run.emit({
      event: 'training',
      parameters: countParameters(config).total,
      steps: this.steps,
      epochs,
      traces: examples.length,
      tooLong,
      tokens: countLearned(examples),
    });
  }
}

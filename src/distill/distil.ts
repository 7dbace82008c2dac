// A distillation from end to end: ask the teacher, keep what is right, fine-tune the student on it.
//
// Contract: stopped or killed at any moment, it goes on where it was: problems that were answered are not asked again,
// and steps go on from the last whole checkpoint. Once there is a checkpoint nothing more is asked, because the order of
// lessons hangs on their number. Source: DeepSeek-R1, 2.4.
import { existsSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hashOfFile } from '../data/index.ts';
import { readJson } from '../model/checkpoint/index.ts';
import { countParameters } from '../model/index.ts';
import { closeTasks, openTasks } from '../tasks/index.ts';
import { type Checkpoint, holding, latestCheckpoint, readLineage, TrainError } from '../train/index.ts';
import { type DistilConfig, distilSchema } from './config.ts';
import { FineTuning } from './fine-tuning.ts';
import { openStudent, readStudent, type Student, type StudentFiles } from './open-student.ts';
import { type DistilOptions, distilFiles, isDistilRun, Records } from './records.ts';
import { isAddress, openTeacher } from './teacher.ts';
import { type CollectProgress, collectTraces, readTraces, traceFiles } from './traces.ts';

export type DistilOutcome = 'completed' | 'stopped';

/** Distils from the beginning. Throws before anything is written where student or teacher do not fit. */
export async function distil(config: DistilConfig, options: DistilOptions): Promise<DistilOutcome> {
  const { folder } = options;
  if (isDistilRun(folder))
    throw new TrainError(folder, 'holds a run already', 'resume it with --resume, or choose another folder');
  return holding(folder, () => run(config, null, [], options));
}

/** Goes on with the run of a folder. */
export async function resumeDistilling(options: DistilOptions): Promise<DistilOutcome> {
  const { folder } = options;
  if (!isDistilRun(folder)) throw new TrainError(folder, 'holds no run', 'start one without --resume');
  const config = distilSchema.parse(readJson(join(folder, distilFiles.config)));
  return holding(folder, async () => {
    const damaged: string[] = [];
    const checkpoint = await latestCheckpoint(folder, ({ message }) => damaged.push(message));
    return run(config, checkpoint, damaged, options);
  });
}

async function run(
  config: DistilConfig,
  checkpoint: Checkpoint | null,
  damaged: readonly string[],
  options: DistilOptions,
): Promise<DistilOutcome> {
  const student = readStudent(config.student);
  await checkSource(config);
  const fromStep = checkpoint?.state.step ?? 0;
  const records = await Records.open(config, fromStep, options);
  for (const message of damaged)
    records.log.append({ event: 'alarm', step: fromStep, kind: 'damaged-checkpoint', message });
  let tuning: FineTuning | null = null;
  let opened: Student | null = null;
  try {
    const isStopped = checkpoint === null && !(await collect(config, student, records, options));
    if (!isStopped) {
      opened = await openStudent(config, student, readTraces(options.folder), { checkpoint, ...options });
      tuning = await begin(config, opened, records, { checkpoint, ...options });
    }
    const outcome = tuning ? await tuning.run(options.signal) : 'stopped';
    const reason = outcome === 'completed' ? 'all steps are done' : 'asked to stop';
    await records.end(tuning?.step ?? 0, outcome, reason);
    return outcome;
  } catch (error) {
    // A full disk takes no last words.
    await records.end(tuning?.step ?? fromStep, 'failed', (error as Error).message).catch(() => undefined);
    throw error;
  } finally {
    await opened?.close();
  }
}

/** Throws where there is nobody to ask, nothing to ask, or nothing to take over. */
async function checkSource(config: DistilConfig): Promise<void> {
  const { teacher, traces } = config;
  if (traces.from !== undefined) {
    if (readTraces(traces.from).length > 0) return;
    throw new TrainError(traces.from, `has no ${traceFiles.traces} with traces`, 'name the folder of a distillation');
  }
  if (!isAddress(teacher) && !existsSync(join(teacher, 'config.json')) && !teacher.endsWith('.gguf'))
    throw new TrainError(teacher, 'there is no such teacher', 'name a checkpoint or an address with http://');
  await closeTasks(await openTasks(config.tasks, config.seed));
}

/** Takes over the traces of another run, and what its lineage says of their teacher. */
async function takeOver(from: string, records: Records, folder: string): Promise<void> {
  await copyFile(join(from, traceFiles.traces), join(folder, traceFiles.traces));
  await records.write({ teachers: readLineage(from)?.teachers ?? [] });
}

/** Collects what is not there yet, and names the teacher in the lineage; whether the run goes on. */
async function collect(
  config: DistilConfig,
  { loaded }: StudentFiles,
  records: Records,
  { folder, device, signal }: DistilOptions,
): Promise<boolean> {
  if (config.traces.from !== undefined) {
    await takeOver(config.traces.from, records, folder);
    return true;
  }
  const teacher = await openTeacher(config, device);
  try {
    const progress = (now: CollectProgress) => records.log.append({ event: 'collecting', ...now });
    const fault = (message: string) => records.log.append({ event: 'alarm', step: 0, kind: 'teacher', message });
    const options = { progress, fault, ...(signal && { signal }) };
    const { done, total, problems } = await collectTraces(folder, config, teacher, options);
    if (done < total && !signal?.aborted) {
      const message = `${problems} problems gave ${done} traces of ${total}: the run goes on with these`;
      records.log.append({ event: 'alarm', step: 0, kind: 'few-traces', message });
    }
  } finally {
    await teacher.close();
  }
  const { name, weights } = teacher;
  const tokens = readTraces(folder).reduce(
    (sum, { response }) => sum + loaded.tokenizer.encode(response, { plain: true }).length,
    0,
  );
  await records.write({ teachers: [{ name, weights, tokens }] });
  return signal?.aborted !== true;
}

async function begin(
  config: DistilConfig,
  student: Student,
  records: Records,
  { folder, checkpoint }: DistilOptions & { readonly checkpoint: Checkpoint | null },
): Promise<FineTuning> {
  const file = join(folder, traceFiles.traces);
  const tracesSha256 = await hashOfFile(file);
  const learned = (checkpoint?.state.data as { traces?: string } | undefined)?.traces;
  if (learned !== undefined && learned !== tracesSha256)
    throw new TrainError(file, 'is not what the checkpoint learned from', 'restore it, or begin another run');
  const fromStep = checkpoint?.state.step ?? 0;
  const tokens = checkpoint?.state.tokens ?? 0;
  const tuning = new FineTuning(config, student, records, { folder, fromStep, tokens, tracesSha256 });
  const { lessons, tooLong, model } = student;
  records.log.append({
    ...{ event: 'training', parameters: countParameters(model.config).total, steps: tuning.steps },
    ...{ epochs: config.epochs, traces: lessons.length, tooLong },
    tokens: lessons.reduce((sum, { response }) => sum + response.length, 0),
  });
  return tuning;
}

// A distillation from end to end: ask the teacher, keep what is right, fine-tune the student on it.
//
// Contract: stopped or killed at any moment, it goes on where it was: problems that were answered are not asked again,
// and steps go on from the last whole checkpoint. Once there is a checkpoint nothing more is asked, because the order of
// lessons hangs on their number. Source: DeepSeek-R1, 2.4.
import { existsSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hashFile } from '../corpus/index.ts';
import { isAddress } from '../eval/index.ts';
import { countParameters } from '../model/index.ts';
import { closeTasks, openTasks } from '../tasks/index.ts';
import {
  beginRun,
  type Checkpoint,
  describeDevice,
  type Last,
  type Outcome,
  Records,
  readLineage,
  resumeRun,
  TrainError,
} from '../train/index.ts';
import { type DistilConfig, distilSchema } from './config.ts';
import { type DistilEvent, distilEventSchema } from './events.ts';
import { FineTuning } from './fine-tuning.ts';
import { openStudent, readStudent, type Student, type StudentFiles } from './open-student.ts';
import { type DistilOptions, distilFiles } from './run-folder.ts';
import { openTeacher } from './teacher.ts';
import { type CollectProgress, collectTraces, readTraces, traceFiles } from './traces.ts';

type DistilRecords = Records<DistilEvent>;

/** Distils from the beginning. Throws before anything is written where student or teacher do not fit. */
export function distil(config: DistilConfig, options: DistilOptions): Promise<Outcome> {
  return beginRun(options.folder, distilFiles.config, () => run(config, undefined, options));
}

/** Goes on with the run of a folder. */
export function resumeDistilling(options: DistilOptions): Promise<Outcome> {
  return resumeRun(options.folder, distilFiles.config, distilSchema, (config, last) => run(config, last, options));
}

async function run(config: DistilConfig, last: Last | undefined, options: DistilOptions): Promise<Outcome> {
  const began = performance.now();
  const checkpoint = last?.checkpoint ?? null;
  const { step, tokens } = checkpoint?.state ?? { step: 0, tokens: 0 };
  const student = readStudent(config);
  await checkSource(config);
  const records = await openRecords(config, last, options, began);
  let tuning: FineTuning | null = null;
  let opened: Student | null = null;
  try {
    const isStopped = checkpoint === null && !(await collect(config, student, records, options));
    if (isStopped) return await records.end({ step, tokens }, 'stopped');
    opened = await openStudent(config, student, readTraces(options.folder), { checkpoint, ...options });
    tuning = await begin(config, opened, records, { checkpoint, ...options });
    const outcome = await tuning.run(options.signal);
    return await records.end(tuning.at, outcome);
  } catch (error) {
    await records.fail(tuning?.at ?? { step, tokens }, error as Error);
    throw error;
  } finally {
    await opened?.close();
  }
}

async function openRecords(
  config: DistilConfig,
  last: Last | undefined,
  { folder, device, listen }: DistilOptions,
  began: number,
): Promise<DistilRecords> {
  const records = await Records.open<DistilEvent>({
    folder,
    device,
    listen,
    schema: distilEventSchema,
    kind: 'distillation',
    recipeFile: distilFiles.config,
    recipe: config,
    initial: config.student,
    last,
    began,
  });
  if (records.isResumed) records.log.append({ event: 'resumed', step: last?.checkpoint?.state.step ?? 0 });
  else records.log.append({ event: 'started', run: folder, teacher: config.teacher, device: describeDevice(device) });
  return records;
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
async function takeOver(from: string, records: DistilRecords, folder: string): Promise<void> {
  await copyFile(join(from, traceFiles.traces), join(folder, traceFiles.traces));
  await records.write({ teachers: readLineage(from)?.teachers ?? [] });
}

/** Collects what is not there yet, and names the teacher in the lineage; whether the run goes on. */
async function collect(
  config: DistilConfig,
  { vocabulary: { tokenizer } }: StudentFiles,
  records: DistilRecords,
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
    (sum, { response }) => sum + tokenizer.encode(response, { plain: true }).length,
    0,
  );
  await records.write({ teachers: [{ name, weights, tokens }] });
  return signal?.aborted !== true;
}

async function begin(
  config: DistilConfig,
  student: Student,
  records: DistilRecords,
  { folder, checkpoint }: DistilOptions & { readonly checkpoint: Checkpoint | null },
): Promise<FineTuning> {
  const file = join(folder, traceFiles.traces);
  const tracesSha256 = await hashFile(file);
  const learned = (checkpoint?.state.data as { traces?: string } | undefined)?.traces;
  if (learned !== undefined && learned !== tracesSha256)
    throw new TrainError(file, 'is not what the checkpoint learned from', 'restore it, or begin another run');
  const fromStep = checkpoint?.state.step ?? 0;
  const tokens = checkpoint?.state.tokens ?? 0;
  const tuning = new FineTuning(config, student, records, { fromStep, tokens, tracesSha256 });
  const { lessons, tooLong, model } = student;
  records.log.append({
    event: 'training',
    parameters: countParameters(model.config).total,
    steps: tuning.steps,
    epochs: config.epochs,
    traces: lessons.length,
    tooLong,
    tokens: lessons.reduce((sum, { response }) => sum + response.length, 0),
  });
  return tuning;
}

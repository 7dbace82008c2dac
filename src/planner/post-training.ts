// The plan of post-training: reinforcement learning (rollouts, groups, steps), and examples that a teacher writes, of
// which a grader keeps a part: rejection sampling where teacher and student are one model, distillation where not.
//
// A lower bound: no rollout waits for the longest of its batch, and grading costs nothing.
import type { ModelConfig } from '../model/config.ts';
import type { PriceBand } from './band.ts';
import { derive, type Figure, given, total } from './figure.ts';
import type { Hardware } from './market.ts';
import { planServing } from './serving.ts';
import { daysAndRent, publishedUtilization } from './training.ts';
import { expectCount, expectPositive, inferenceFlops, trainingFlops } from './work.ts';

interface Setting {
  readonly hardware: Hardware;
  readonly devices: number;
  readonly price: PriceBand | null;
  /** Tokens of a prompt, and of an answer. */
  readonly input: number;
  readonly output: number;
}

export interface RlQuestion extends Setting {
  readonly config: ModelConfig;
  readonly steps: number;
  readonly questions: number;
  readonly groupSize: number;
  /** Answers that are generated at once, for one or several steps. */
  readonly atOnce: number;
  /** Whether a reference model reads every answer, for the KL term. */
  readonly reference: boolean;
}

export interface ExamplesQuestion extends Setting {
  readonly teacher: ModelConfig;
  readonly student: ModelConfig;
  /** Examples that are kept. */
  readonly examples: number;
  /** The share of answers that are kept. */
  readonly acceptance: number;
  readonly epochs: number;
}

export interface PostTrainingPlan {
  readonly generated: Figure;
  readonly rolloutHours: Figure;
  readonly readingHours: Figure | null;
  readonly trainingHours: Figure;
  readonly deviceHours: Figure;
  readonly days: Figure;
  readonly money: Figure;
}

const asked = { source: 'asked' };

/** Hours of devices that generate tokens: as serving does, with all devices full. */
function generationHours(config: ModelConfig, generated: Figure, setting: Setting, atOnce: number): Figure {
  const { hardware, devices, input, output } = setting;
  const base = {
    config,
    hardware,
    devices,
    input,
    output,
    hits: 0,
    acceptance: 0,
    price: null,
    cache: 'bf16',
  } as const;
  const room = planServing({ ...base, weights: 'bf16', batch: null }).maxBatch.value?.middle ?? 1;
  const { decodeSpeed } = planServing({ ...base, weights: 'bf16', batch: Math.min(room, atOnce) });
  return derive(
    'device hours of generation',
    'h',
    'tokens / speed / 3600',
    { tokens: generated, speed: decodeSpeed },
    (v) => v.tokens / v.speed / 3600,
  );
}

function passHours(name: string, tokens: Figure, flops: Figure, hardware: Hardware): Figure {
  const peak = given('BF16 peak', hardware.flops.bf16, { unit: 'FLOP/s', source: hardware.source });
  const utilization = given('utilization', publishedUtilization, {
    unit: 'share',
    digits: 2,
    source: 'published runs',
  });
  return derive(
    name,
    'h',
    'tokens x flops / (peak x utilization) / 3600',
    { tokens, flops, peak, utilization },
    (v) => (v.tokens * v.flops) / (v.peak * v.utilization) / 3600,
  );
}

function summed(parts: readonly Figure[], setting: Setting) {
  const deviceHours = total('device hours', parts);
  return { deviceHours, ...daysAndRent(deviceHours, setting) };
}

/** Plans reinforcement learning with groups: each answer is generated once, read by the reference, and learned from. */
export function planRl(question: RlQuestion): PostTrainingPlan {
  const { config, steps, questions, groupSize, atOnce, input, output, hardware, reference } = question;
  for (const [name, value] of Object.entries({ steps, questions, 'group size': groupSize, 'answers at once': atOnce }))
    expectCount(name, value);
  const counts = {
    steps: given('steps', steps, asked),
    questions: given('questions of a step', questions, asked),
    group: given('answers to a question', groupSize, asked),
    output: given('tokens of an answer, on average', output, asked),
    input: given('tokens of a prompt', input, asked),
  };
  const generated = derive(
    'generated tokens',
    '',
    'steps x questions x group x output',
    counts,
    (v) => v.steps * v.questions * v.group * v.output,
  );
  const read = derive(
    'tokens that training reads',
    '',
    'steps x questions x group x (input + output)',
    counts,
    (v) => v.steps * v.questions * v.group * (v.input + v.output),
  );
  const rolloutHours = generationHours(config, generated, question, atOnce);
  const { prefill } = inferenceFlops(config, input + output);
  const readingHours = reference ? passHours('device hours of the reference', read, prefill, hardware) : null;
  const trainingHours = passHours('device hours of training', read, trainingFlops(config, input + output), hardware);
  const parts = [rolloutHours, ...(readingHours ? [readingHours] : []), trainingHours];
  return { generated, rolloutHours, readingHours, trainingHours, ...summed(parts, question) };
}

/** Plans examples from a teacher, and training a student on them. */
export function planExamples(question: ExamplesQuestion): PostTrainingPlan {
  const { teacher, student, examples, acceptance, epochs, input, output, hardware } = question;
  for (const [name, value] of Object.entries({ examples, epochs })) expectCount(name, value);
  expectPositive('acceptance', acceptance);
  const counts = {
    examples: given('examples kept', examples, asked),
    acceptance: given('share of answers kept', acceptance, asked),
    epochs: given('epochs', epochs, asked),
    input: given('tokens of a prompt', input, asked),
    output: given('tokens of an answer, on average', output, asked),
  };
  const generated = derive(
    'generated tokens',
    '',
    'examples / acceptance x output',
    counts,
    (v) => (v.examples / v.acceptance) * v.output,
  );
  const learned = derive(
    'tokens that the student reads',
    '',
    'examples x epochs x (input + output)',
    counts,
    (v) => v.examples * v.epochs * (v.input + v.output),
  );
  const rolloutHours = generationHours(teacher, generated, question, examples);
  const trainingHours = passHours(
    'device hours of training',
    learned,
    trainingFlops(student, input + output),
    hardware,
  );
  return {
    generated,
    rolloutHours,
    readingHours: null,
    trainingHours,
    ...summed([rolloutHours, trainingHours], question),
  };
}

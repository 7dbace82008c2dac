// How should a small student learn from a large one: from texts, from distributions, on its own answers, or not at all,
// by reward alone?
import type { PipelineAblationRecipe } from '../../src/cli/pipeline-ablation.ts';
import type { DistillRecipe } from '../../src/distill/index.ts';
import type { RlRecipe } from '../../src/rl/index.ts';
import { recipe as zero } from '../10-countdown-zero.ts';
import { recipe as distilled } from '../30-countdown-distilled.ts';
import { recipe as onPolicy } from '../35-countdown-on-policy.ts';
import { recipe as evaluation } from '../40-countdown-eval.ts';
import { recipe as speedrun } from '../speedrun.ts';

/** Answers that each arm learns from, at equal data: traces of the teacher, or responses of the student. */
const responses = 4096;
const evaluations = { problems: 64, samples: 2 };

const traces: Omit<DistillRecipe, 'student' | 'teacher'> = {
  ...distilled,
  traces: { ...distilled.traces, wanted: responses },
  evaluation: evaluations,
  evaluateEvery: 96,
};

const corrected: Omit<DistillRecipe, 'student' | 'teacher'> = {
  ...onPolicy,
  onPolicy: { ...onPolicy.onPolicy, questions: 64, samples: 1, steps: responses / 64 },
  evaluation: evaluations,
  evaluateEvery: 16,
};

const reward: Omit<RlRecipe, 'model'> = {
  ...zero,
  questions: 16,
  groupSize: 16,
  steps: responses / 256,
  gate: { samples: 0 },
  noSignal: { steps: 0 },
  evaluation: evaluations,
  every: { evaluate: 8, sample: 8, save: 8 },
};

const both = { student: 'student', teacher: 'zero' };

export const recipe: PipelineAblationRecipe = {
  question: 'Distillation by texts, by distributions, on-policy, and reinforcement learning of the same student',
  published:
    'AIME 2024: distilled Qwen-32B 72.6, reinforcement learning of Qwen-32B 47.0 (R1 report, section 4.1); Qwen3-8B: ' +
    'on-policy distillation 74.4 in 1,800 GPU hours, reinforcement learning 67.6 in 17,920 (Qwen3 report, table 21)',
  stages: speedrun.stages.filter(({ name }) => ['base', 'zero', 'student'].includes(name)),
  arms: {
    'traces, whole answers': { name: 'traces', kind: 'distill', recipe: traces, from: both, scaled: 'traces.wanted' },
    'traces, final answers only': {
      name: 'answers',
      kind: 'distill',
      recipe: { ...traces, learn: 'answer' },
      from: both,
      scaled: 'traces.wanted',
    },
    'distributions on traces': {
      name: 'logits',
      kind: 'distill',
      recipe: { ...traces, method: 'logits' },
      from: both,
      scaled: 'traces.wanted',
    },
    'on-policy distillation': {
      name: 'on-policy',
      kind: 'distill',
      recipe: corrected,
      from: both,
      scaled: 'onPolicy.steps',
    },
    'reinforcement learning': { name: 'rl', kind: 'rl', recipe: reward, from: { model: 'student' }, scaled: 'steps' },
  },
  reference: 'traces, whole answers',
  evaluation,
  seeds: [1, 2, 3],
};

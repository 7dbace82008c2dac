// The whole recipe of R1 on the families of the bundled model: each stage takes less than 100 minutes on two cores.
//
// Base, R1-Zero, cold start from Zero's own right answers, reinforcement learning with a reward for the language,
// rejection sampling and the base again, reinforcement learning for all scenarios, then R1's patterns for the plain
// chat model and a dense student.

import type { EvaluationRecipe } from '../src/cli/eval.ts';
import type { Requirement } from '../src/cli/gates.ts';
import type { R1Pipeline } from '../src/cli/r1.ts';
import type { SftRecipe } from '../src/sft/index.ts';
import { recipe as dense } from './25-countdown-student.ts';
import { recipe as base } from './minke-base.ts';

/** What reinforcement learning practices: levels at which the base is right now and then. */
const tasks = [
  { task: 'countdown', difficulty: 3, share: 2 },
  { task: 'countdown', difficulty: 4 },
  { task: 'sums', difficulty: 3 },
  { task: 'products', difficulty: 3 },
  { task: 'sequence', difficulty: 2 },
  { task: 'equation', difficulty: 2 },
  { task: 'division', difficulty: 2 },
  { task: 'letter-counting', difficulty: 2 },
  { task: 'number-sorting', difficulty: 2 },
  { task: 'stories', difficulty: 2 },
].map((choice) => ({ ...choice, phrasing: 'varied' as const }));

const smallTalk = { task: 'small-talk', share: 3, phrasing: 'canonical' as const };

const rl = {
  tasks,
  curriculum: 'success' as const,
  questions: 32,
  groupSize: 16,
  maxTokens: 320,
  learningRate: 2.5e-4,
  klBeta: 0.03,
  evaluation: { problems: 32, samples: 2 },
  every: { evaluate: 50, sample: 10, save: 10 },
};

const sft = { epochs: 3, batchSize: 64, learningRate: 1e-3, warmupSteps: 20, every: { evaluate: 100, save: 100 } };

type Conversations = Exclude<SftRecipe['data'][number], string>;

/** General conversations, about a quarter of what supervised fine-tuning learns. */
const general: Conversations[] = [
  { conversations: 'greetings', count: 400 },
  { conversations: 'abilities', count: 400 },
  { conversations: 'thanks', count: 300 },
  { conversations: 'out-of-scope', count: 900 },
  { conversations: 'system-texts', count: 500 },
  { conversations: 'follow-ups', count: 500 },
];

const samples = (wanted: number, seed: number, temperature = 0.8) => ({
  tasks,
  seed,
  traces: { wanted, samples: 8, perProblem: 8, maxTokens: 320, temperature, topP: 1, parallel: 32 },
});

/** What every model is asked: each practiced task, and small talk. */
const evaluations: EvaluationRecipe[] = [...tasks, smallTalk].map(({ task, phrasing, ...level }) => ({
  task,
  phrasing,
  ...('difficulty' in level && { difficulty: level.difficulty }),
  problems: 100,
  samples: 4,
  temperature: 0.6,
  topP: 0.95,
  maxTokens: 320,
  template: 'short',
  seed: 7,
}));

const accuracy = (atLeast: Requirement['atLeast'], remedy: string): Requirement => ({
  measure: { of: 'accuracy' },
  name: 'accuracy',
  atLeast,
  remedy,
});
const wellFormed = (atLeast: Requirement['atLeast'], remedy: string): Requirement => ({
  measure: { of: 'format' },
  name: 'well-formed share',
  atLeast,
  remedy,
});
const consistent = (atLeast: Requirement['atLeast'], remedy: string): Requirement => ({
  measure: { of: 'language' },
  name: 'language consistency',
  atLeast,
  remedy,
});
const talks = (atLeast: Requirement['atLeast'], remedy: string): Requirement => ({
  measure: { of: 'accuracy', task: 'small-talk' },
  name: 'short replies to small talk',
  atLeast,
  remedy,
});

export const recipe: R1Pipeline = {
  stages: [
    {
      name: 'base',
      title: 'base, never taught to answer',
      kind: 'pretrain',
      recipe: base,
      gate: [
        wellFormed(0.01, 'give the base more worked examples with tags, or train it longer'),
        accuracy(0.01, 'give the base more worked examples of these levels, or easier levels'),
      ],
    },
    {
      name: 'zero',
      title: 'R1-Zero',
      kind: 'rl',
      recipe: { ...rl, steps: 120 },
      from: { model: 'base' },
      gate: [
        accuracy({ stage: 'base', minus: -0.2 }, 'train it longer, or look for silent groups in its events'),
        wellFormed(0.9, 'train it longer'),
      ],
    },
    {
      name: 'cold-samples',
      title: "Zero's right answers, made readable",
      kind: 'collection',
      teacher: 'zero',
      perProblem: 1,
      directEvery: 0,
      recipe: samples(4000, 2, 0.6),
    },
    {
      name: 'cold-start',
      title: 'base after the cold start',
      kind: 'sft',
      recipe: { ...sft, data: general },
      from: { model: 'base' },
      data: ['cold-samples'],
      gate: [wellFormed(0.95, 'collect more answers of Zero, or learn them for more epochs')],
    },
    {
      name: 'reasoning',
      title: 'RL on reasoning, with a reward for the language',
      kind: 'rl',
      recipe: { ...rl, steps: 100, rewards: { accuracy: 1, format: 1, language: 1 } },
      from: { model: 'cold-start' },
      gate: [
        accuracy({ stage: 'zero', minus: 0 }, 'train it longer'),
        consistent(0.95, 'raise rewards.language, or train it longer'),
      ],
    },
    {
      name: 'samples',
      title: 'rejection sampling',
      kind: 'collection',
      teacher: 'reasoning',
      perProblem: 2,
      directEvery: 0,
      recipe: samples(24_000, 3),
    },
    {
      name: 'sft',
      title: 'base after rejection sampling',
      kind: 'sft',
      recipe: { ...sft, data: general.map((each) => ({ ...each, count: 3 * each.count })) },
      from: { model: 'base' },
      data: ['samples'],
      gate: [
        accuracy({ stage: 'reasoning', minus: 0.02 }, 'sample more answers, or learn them for more epochs'),
        talks(0.9, 'give more general conversations'),
      ],
    },
    {
      name: 'reward',
      title: 'reward model for small talk',
      kind: 'reward',
      recipe: { pairs: 8000, heldOut: 600, epochs: 2, learningRate: 5e-4, every: { evaluate: 100, save: 100 } },
      from: { model: 'sft' },
      isScorer: true,
      isOptional: true,
      gate: [
        {
          measure: { event: 'evaluated', field: 'accuracy' },
          name: 'pairwise accuracy on held-out pairs',
          atLeast: 0.75,
          remedy: 'rules alone reward the next stage',
        },
      ],
    },
    {
      name: 'all',
      title: 'R1: RL for all scenarios',
      kind: 'rl',
      recipe: {
        ...rl,
        tasks: [...tasks, smallTalk],
        curriculum: 'fixed' as const, // small talk is never simply right, so it would come a tenth as often
        steps: 100,
        temperature: 0.7,
        rewards: { accuracy: 1, format: 1, language: 1 },
        rewardModel: { weight: 1 },
      },
      from: { model: 'sft', 'rewardModel.model': 'reward' },
      gate: [
        accuracy({ stage: 'sft', minus: 0.02 }, 'train it longer, or lower rewardModel.weight'),
        wellFormed({ stage: 'zero', minus: 0 }, 'raise rewards.format'),
        talks({ stage: 'sft', minus: 0.02 }, 'raise the share of small talk'),
      ],
    },
    {
      name: 'patterns',
      title: "R1's answers, with and without thinking",
      kind: 'collection',
      teacher: 'all',
      perProblem: 2,
      directEvery: 5,
      recipe: samples(24_000, 4),
    },
    {
      name: 'chat',
      title: "the chat model with R1's patterns",
      kind: 'sft',
      recipe: { ...sft, data: general.map((each) => ({ ...each, count: 4 * each.count })) },
      from: { model: 'base' },
      data: ['patterns'],
      gate: [
        accuracy({ stage: 'zero', minus: 0 }, 'sample more answers, or learn them for more epochs'),
        wellFormed({ stage: 'zero', minus: 0 }, 'learn for more epochs'),
        consistent({ stage: 'zero', minus: 0 }, 'learn for more epochs'),
        talks(0.9, 'give more general conversations'),
      ],
    },
    {
      name: 'student',
      title: 'dense student before',
      kind: 'pretrain',
      recipe: { ...base, model: dense.model, steps: 800, every: { evaluate: 400, sample: 800, save: 200 } },
    },
    {
      name: 'taught',
      title: 'dense student, taught by answers',
      kind: 'sft',
      recipe: { ...sft, data: general },
      from: { model: 'student' },
      data: ['patterns'],
    },
    {
      name: 'distilled',
      title: 'dense student, distilled on its own answers',
      kind: 'distill',
      recipe: {
        method: 'on-policy',
        tasks,
        onPolicy: { steps: 120, questions: 64, samples: 2, maxTokens: 320 },
        learningRate: 5e-4,
        evaluateEvery: 60,
        evaluation: { problems: 32, samples: 2 },
      },
      from: { student: 'taught', teacher: 'all' },
      gate: [accuracy({ stage: 'taught', minus: 0 }, 'lower the learning rate, or take more steps')],
    },
  ],
  evaluations,
  best: 'chat',
};

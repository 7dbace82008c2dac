// Reinforcement learning as a kind of run: a base learns a task by reward alone (R1-Zero, GRPO).
import { formatMillions, formatPercent } from '../math/index.ts';
import {
  accuracyFacts,
  balanceChart,
  type ChartSeries,
  chart,
  describeEvaluation,
  type Excerpt,
  eventsNamed,
  type Fact,
  heldOutAccuracy,
  heldOutLine,
  heldOutNumber,
  type Lineage,
  lineageFacts,
  modelArgument,
  type RunKind,
  stepLine,
  stepNumber,
  taskArgument,
  throughputChart,
} from '../train/index.ts';
import { type RlEvent, rlEvents } from './events.ts';
import { describeGate } from './gate.ts';
import { describePlateau } from './plateau.ts';
import { openRlParts } from './rl-parts.ts';
import { checkRl, type RlConfig, rlSchema } from './rl-recipe.ts';
import { RlTrainer } from './rl-trainer.ts';

const accuracyLines = [
  stepLine('accuracy', 'accuracy'),
  stepLine('well-formed', 'format', { tone: 'good' }),
  stepLine('zero-variance groups', 'silentGroups'),
  stepLine('language consistency', 'language'),
  heldOutLine,
];

/** Returns the line of a field for each task and level, where a run has several. */
const practiceLine = (field: string): ChartSeries => ({
  name: field,
  event: 'practiced',
  field,
  groupBy: ['task', 'difficulty'],
  smooth: true,
});

export const rl: RunKind<RlConfig, RlEvent> = {
  name: 'rl',
  title: 'Reinforcement learning',
  about: 'train a base model on a task by reward alone (R1-Zero, GRPO)',
  recipeFile: 'rl.json',
  recipe: rlSchema,
  events: rlEvents,
  check: checkRl,
  fixedFields: ['model', 'tasks', 'template', 'questions', 'seed'],
  mainFields: ['steps', 'questions', 'groupSize', 'maxTokens', 'curriculum', 'learningRate', 'seed'],
  arguments: [modelArgument, taskArgument],
  examples: [
    { line: 'rl countdown-zero --model my-base', about: 'a base model learns to reason by reward alone' },
    { line: 'rl --model my-base --task ./my-task.js --run runs/mine', about: 'your own task' },
    {
      line: 'rl countdown-zero --model my-base --task countdown:4 --set learningRate=1e-4',
      about: 'harder problems, a lower learning rate',
    },
    { line: 'rl --resume --run runs/mine', about: 'resume a run' },
  ],
  charts: [
    chart('accuracy', 'Accuracy', 'share of responses', accuracyLines, { format: 'percent', isWide: true }),
    chart('length', 'Response length', 'tokens', [
      stepLine('all', 'tokens'),
      stepLine('correct', 'tokensRight', { tone: 'good' }),
      stepLine('incorrect', 'tokensWrong', { tone: 'bad' }),
      stepLine('limit', 'maxTokens', { smooth: false }),
    ]),
    chart('practice', 'Accuracy in training', 'share of responses', [practiceLine('accuracy')], { format: 'percent' }),
    chart('replies', 'Replies to small talk', "the reward model's score", [stepLine('score', 'replyScore')]),
    chart('rules', 'Reward by rules', 'beside a reward model', [stepLine('reward', 'ruleReward')]),
    chart('curriculum', 'Share of questions', 'of the next step', [practiceLine('share')], { format: 'percent' }),
    chart('entropy', 'Entropy', 'nats per token', [stepLine('entropy', 'entropy')]),
    chart('kl', 'KL to the reference', 'nats per token', [stepLine('KL', 'kl')], { hideZeros: true }),
    chart('checks', 'Verification phrases', 'words per response', [stepLine('words', 'checks')]),
    throughputChart('rollouts', 'tokens per second', 'rolloutTokensPerSecond'),
    chart('changed', 'Changed best tokens', 'share of tokens', [stepLine('policy against reference', 'changed')], {
      format: 'percent',
    }),
    chart('drafts', 'Draft acceptance', 'share of tokens', [stepLine('first MTP module', 'draftAcceptance')], {
      format: 'percent',
    }),
    chart('mtp', 'MTP loss', 'nats per token', [stepLine('responses', 'mtpLoss')]),
    balanceChart(stepLine('training', 'maxVio')),
  ],
  headline: [
    { ...stepNumber('Accuracy', 'accuracy'), format: 'percent' },
    heldOutNumber,
    stepNumber('Tokens per response', 'tokens'),
    stepNumber('Rollout tokens/s', 'rolloutTokensPerSecond'),
  ],
  heldOut: heldOutAccuracy,
  open: async (recipe, run) => new RlTrainer(recipe, run, await openRlParts(recipe, run)),
  facts,
  excerpts,
  line,
};

type StepEvent = Extract<RlEvent, { event: 'step' }>;

function facts(events: readonly RlEvent[], lineage: Lineage): Fact[] {
  const steps = eventsNamed(events, 'step');
  const [first, last] = [steps[0], steps.at(-1)];
  const total = (value: (step: StepEvent) => number) => steps.reduce((sum, step) => sum + value(step), 0);
  const change = (value: (step: StepEvent) => number) =>
    first && last ? `${value(first).toFixed(1)} to ${value(last).toFixed(1)}` : 'no step yet';
  const [rollouts, training] = [total((s) => s.rolloutSeconds), total((s) => s.trainSeconds)];
  return [
    ['status', `${lineage.status}, ${last?.step ?? 0} steps`],
    ...eventsNamed(events, 'gated')
      .slice(-1)
      .map((gate): Fact => ['gate', describeGate(gate)]),
    ...accuracyFacts(eventsNamed(events, 'evaluated')),
    ...plateau(steps),
    ['tokens per response', change(({ tokens }) => tokens)],
    ['verification phrases per response', change(({ checks }) => checks)],
    ['mismatch, all steps', `${total(({ mismatch }) => mismatch)} tokens`],
    ['seconds of rollouts, of training', `${rollouts.toFixed(0)}, ${training.toFixed(0)}`],
    ...lineageFacts(lineage),
  ];
}

function plateau(steps: readonly StepEvent[]): Fact[] {
  const words = describePlateau(steps.map(({ step, accuracy }) => ({ step, value: accuracy })));
  return words === null ? [] : [['accuracy in training', words]];
}

/** The first and the last sample. */
function excerpts(events: readonly RlEvent[]): Excerpt[] {
  const samples = eventsNamed(events, 'sampled');
  return [...new Set([samples[0], samples.at(-1)])].flatMap((sample) =>
    sample
      ? [{ title: `Step ${sample.step} (${sample.verdict})`, text: `${sample.prompt}${sample.text.trimEnd()}` }]
      : [],
  );
}

function line(event: RlEvent): string | null {
  switch (event.event) {
    case 'started': {
      const { parameters, steps, responsesPerStep, device } = event;
      return `${formatMillions(parameters)} parameters, ${steps} steps of ${responsesPerStep} responses on ${device}`;
    }
    case 'step':
      return [
        `accuracy ${formatPercent(event.accuracy)}`,
        `well-formed ${formatPercent(event.format)}`,
        `${event.tokens.toFixed(0)} tokens`,
        `zero-variance groups ${formatPercent(event.silentGroups)}`,
        `entropy ${event.entropy?.toFixed(3) ?? '-'}`,
        `KL ${event.kl?.toFixed(4) ?? '-'}`,
        `mismatch ${event.mismatch}`,
        `${event.rolloutSeconds.toFixed(1)} + ${event.trainSeconds.toFixed(1)} s`,
      ].join('  ');
    case 'gated':
      return `gate ${event.isPassed ? 'passed' : 'not passed'}: ${describeGate(event)}`;
    case 'fitted':
      return `accuracy: ${event.plateau}`;
    case 'lengthened': {
      const { from, to, truncated } = event;
      return `${formatPercent(truncated)} of responses were cut off: up to ${to} tokens from now on, ${from} before`;
    }
    case 'evaluated':
      return describeEvaluation(event);
    case 'sampled':
      return `${event.verdict}\n${`${event.prompt}${event.text}`.trimEnd().replaceAll(/^/gm, '  | ')}`;
    default:
      return null;
  }
}

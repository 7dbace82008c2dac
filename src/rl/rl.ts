// Reinforcement learning as a kind of run: a base learns a task by reward alone (R1-Zero, GRPO).
import { formatMillions } from '../math/index.ts';
import {
  accuracyFacts,
  type Excerpt,
  evaluationLine,
  eventsNamed,
  type Fact,
  type Lineage,
  lineageFacts,
  type RunKind,
} from '../train/index.ts';
import { type RlEvent, rlEvents } from './events.ts';
import { checkRl, type RlConfig, rlSchema } from './rl-recipe.ts';
import { openRlParts, RlTrainer } from './rl-trainer.ts';

export const rl: RunKind<RlConfig, RlEvent> = {
  name: 'rl',
  title: 'Reinforcement learning',
  about: 'train a base model on a task by reward alone (R1-Zero, GRPO)',
  formerNames: ['reinforcement'],
  recipeFile: 'rl.json',
  recipe: rlSchema,
  events: rlEvents,
  check: checkRl,
  fixedFields: ['model', 'tasks', 'template', 'questions', 'seed'],
  mainFields: ['steps', 'questions', 'groupSize', 'maxTokens', 'learningRate', 'seed'],
  arguments: [
    { flag: 'model', path: 'model', type: 'checkpoint', isRequired: true, about: 'the checkpoint to begin from' },
    {
      flag: 'task',
      path: 'tasks',
      type: 'tasks',
      isRequired: true,
      about: 'bundled tasks, or files that export one; name:4 sets the difficulty',
    },
  ],
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
    {
      id: 'accuracy',
      title: 'Accuracy',
      unit: 'share of responses',
      format: 'percent',
      isWide: true,
      series: [
        { name: 'accuracy', event: 'step', field: 'accuracy', smooth: true },
        { name: 'well-formed', event: 'step', field: 'format', smooth: true, tone: 'good' },
        { name: 'zero-variance groups', event: 'step', field: 'silentGroups', smooth: true },
        { name: 'held-out accuracy', event: 'evaluated', field: 'passAt1', groupBy: ['task', 'difficulty'] },
      ],
    },
    {
      id: 'length',
      title: 'Response length',
      unit: 'tokens',
      format: 'number',
      series: [
        { name: 'all', event: 'step', field: 'tokens', smooth: true },
        { name: 'correct', event: 'step', field: 'tokensRight', smooth: true, tone: 'good' },
        { name: 'incorrect', event: 'step', field: 'tokensWrong', smooth: true, tone: 'bad' },
      ],
    },
    {
      id: 'entropy',
      title: 'Entropy',
      unit: 'nats per token',
      format: 'number',
      series: [{ name: 'entropy', event: 'step', field: 'entropy', smooth: true }],
    },
    {
      id: 'kl',
      title: 'KL to the reference',
      unit: 'nats per token',
      format: 'number',
      hideZeros: true,
      series: [{ name: 'KL', event: 'step', field: 'kl', smooth: true }],
    },
    {
      id: 'checks',
      title: 'Verification phrases',
      unit: 'words per response',
      format: 'number',
      series: [{ name: 'words', event: 'step', field: 'checks', smooth: true }],
    },
    {
      id: 'throughput',
      title: 'Throughput',
      unit: 'tokens per second',
      format: 'number',
      series: [{ name: 'rollouts', event: 'step', field: 'rolloutTokensPerSecond', smooth: true, zeroIsGap: true }],
    },
    {
      id: 'balance',
      title: 'Expert balance',
      unit: 'MaxVio: busiest expert over the mean, minus 1',
      format: 'number',
      series: [{ name: 'training', event: 'step', field: 'maxVio', smooth: true }],
    },
  ],
  headline: [
    { label: 'Accuracy', event: 'step', field: 'accuracy', format: 'percent' },
    { label: 'Held-out accuracy', event: 'evaluated', field: 'passAt1', format: 'percent' },
    { label: 'Tokens per response', event: 'step', field: 'tokens', format: 'number' },
    { label: 'Rollout tokens/s', event: 'step', field: 'rolloutTokensPerSecond', format: 'number' },
  ],
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
    ...accuracyFacts(eventsNamed(events, 'evaluated')),
    ['tokens per response', change(({ tokens }) => tokens)],
    ['verification phrases per response', change(({ checks }) => checks)],
    ['mismatch, all steps', `${total(({ mismatch }) => mismatch)} tokens`],
    ['seconds of rollouts, of training', `${rollouts.toFixed(0)}, ${training.toFixed(0)}`],
    ...lineageFacts(lineage),
  ];
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
  const round = (share: number) => `${Math.round(100 * share)} %`;
  switch (event.event) {
    case 'started': {
      const { parameters, steps, responsesPerStep, device } = event;
      return `${formatMillions(parameters)} parameters, ${steps} steps of ${responsesPerStep} responses on ${device}`;
    }
    case 'step':
      return [
        `accuracy ${round(event.accuracy)}`,
        `well-formed ${round(event.format)}`,
        `${event.tokens.toFixed(0)} tokens`,
        `zero-variance groups ${round(event.silentGroups)}`,
        `entropy ${event.entropy?.toFixed(3) ?? '-'}`,
        `KL ${event.kl?.toFixed(4) ?? '-'}`,
        `mismatch ${event.mismatch}`,
        `${event.rolloutSeconds.toFixed(1)} + ${event.trainSeconds.toFixed(1)} s`,
      ].join('  ');
    case 'evaluated':
      return evaluationLine(event);
    case 'sampled':
      return `${event.verdict}\n${`${event.prompt}${event.text}`.trimEnd().replaceAll(/^/gm, '  | ')}`;
    default:
      return null;
  }
}

// The training of a reward model as a kind of run: it learns which of two replies fits what was said.
import { formatMillions, formatPercent } from '../math/index.ts';
import { fineTuningCharts, fineTuningHeadline, fineTuningLine } from '../sft/index.ts';
import {
  chart,
  evaluationLine,
  eventsNamed,
  type Fact,
  type HeldOutMetric,
  type Lineage,
  lineageFacts,
  modelArgument,
  type RunKind,
} from '../train/index.ts';
import { type RewardEvent, rewardEvents } from './reward-events.ts';
import { type RewardConfig, rewardSchema } from './reward-recipe.ts';
import { openRewardTraining } from './reward-trainer.ts';

/** The share of held-out pairs whose good reply scores higher. */
const pairwiseAccuracy: HeldOutMetric = {
  label: 'pairwise accuracy',
  field: 'accuracy',
  isHigherBetter: true,
  format: 'percent',
  groupBy: [],
  remedy: 'take the best checkpoint, end the run there (earlyStopping), or train on more pairs',
};

export const reward: RunKind<RewardConfig, RewardEvent> = {
  name: 'reward',
  title: 'Reward model',
  about: 'train a model to score replies, from pairs of good and bad ones',
  recipeFile: 'reward.json',
  recipe: rewardSchema,
  events: rewardEvents,
  fixedFields: ['model', 'template', 'pairs', 'batchSize', 'epochs', 'seed'],
  mainFields: ['pairs', 'epochs', 'batchSize', 'learningRate', 'seed'],
  arguments: [modelArgument],
  examples: [
    { line: 'reward --model my-model', about: 'a model learns which replies fit, for rl --set rewards.model.path=...' },
    { line: 'reward --model my-model --set pairs=8000 epochs=2', about: 'more pairs, twice' },
    { line: 'reward --resume --run runs/mine', about: 'resume a run' },
  ],
  charts: [
    ...fineTuningCharts(),
    chart('accuracy', 'Pairwise accuracy', 'share of held-out pairs', [evaluationLine('held out', 'accuracy')], {
      format: 'percent',
      isWide: true,
    }),
  ],
  headline: [
    { label: 'Pairwise accuracy', event: 'evaluated', field: 'accuracy', format: 'percent' },
    ...fineTuningHeadline,
  ],
  heldOut: pairwiseAccuracy,
  open: openRewardTraining,
  facts,
  line,
};

const describeAccuracy = ({ accuracy, margin, pairs }: Extract<RewardEvent, { event: 'evaluated' }>) =>
  `${formatPercent(accuracy, 1)} (± ${formatPercent(margin, 1)}) of ${pairs} held-out pairs`;

function facts(events: readonly RewardEvent[], lineage: Lineage): Fact[] {
  const evaluated = eventsNamed(events, 'evaluated');
  const accuracies = [...new Set([evaluated[0], evaluated.at(-1)])].flatMap((event) =>
    event ? [`${describeAccuracy(event)} at step ${event.step}`] : [],
  );
  const worst = Object.entries(evaluated.at(-1)?.faults ?? {}).sort(([, a], [, b]) => a - b)[0];
  return [
    ['status', `${lineage.status}, ${lineage.steps} steps`],
    ['loss', eventsNamed(events, 'step').at(-1)?.loss?.toFixed(4) ?? 'no step yet'],
    ...(accuracies.length > 0 ? ([['pairwise accuracy', accuracies.join(', ')]] as Fact[]) : []),
    ...(worst ? ([['hardest fault', `${worst[0]}, ${formatPercent(worst[1])}`]] as Fact[]) : []),
    ...lineageFacts(lineage),
  ];
}

function line(event: RewardEvent): string | null {
  switch (event.event) {
    case 'started': {
      const { parameters, pairs, steps, tooLong, device } = event;
      const work = `${pairs} pairs in ${steps} steps`;
      return `${formatMillions(parameters)} parameters, ${work} on ${device}; ${tooLong} pairs are too long`;
    }
    case 'step':
      return fineTuningLine(event);
    case 'evaluated':
      return `the good reply scores higher in ${describeAccuracy(event)}`;
    default:
      return null;
  }
}

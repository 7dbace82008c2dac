// Pretraining as a kind of run: a model from text, by the V3 recipe.
//
// A run folder: config.json (the resolved recipe), tokenizer/, events.jsonl, lineage.json, checkpoints/step-N/.
// Datasets are beside the runs and shared by all of them.
import { formatDuration, formatMillions, formatPercent } from '../math/index.ts';
import { type PretrainEvent, pretrainEvents } from './events.ts';
import { checkPretrain, expandModel, type PretrainConfig, pretrainSchema } from './pretrain-recipe.ts';
import { openPretraining } from './pretrain-trainer.ts';
import {
  balanceChart,
  chart,
  evaluationLine,
  gradientChart,
  stepLine,
  stepNumber,
  throughputChart,
  validationLoss,
} from './run/charts.ts';
import type { Fact } from './run/description.ts';
import { eventsNamed, lineageFacts, secondsUntil } from './run/facts.ts';
import type { RunKind } from './run/kind.ts';
import type { Lineage } from './run/lineage.ts';

const lossLines = [
  stepLine('training', 'loss'),
  evaluationLine('validation', 'loss'),
  stepLine('two tokens ahead (MTP)', 'mtpLoss'),
];

export const pretrain: RunKind<PretrainConfig, PretrainEvent> = {
  name: 'pretrain',
  title: 'Pretraining',
  about: 'pretrain a model on text, by the DeepSeek-V3 recipe',
  recipeFile: 'config.json',
  recipe: pretrainSchema,
  events: pretrainEvents,
  expand: expandModel,
  check: checkPretrain,
  fixedFields: ['model', 'data', 'initial', 'seed'],
  mainFields: ['steps', 'batchSize', 'sequenceLength', 'schedule.learningRate', 'seed'],
  arguments: [
    {
      flag: 'data',
      path: 'data.inputs',
      type: 'files',
      isRequired: true,
      about: 'text, JSONL or Parquet files to train on',
    },
    {
      flag: 'task',
      path: 'data.inputs',
      type: 'tasks',
      isRequired: false,
      about: 'worked examples of bundled tasks, or of files that export one; name:4 sets the difficulty',
      item: { field: 'workedExamples', fields: { count: 100_000, phrasing: 'varied' } },
    },
  ],
  examples: [
    { line: 'pretrain tiny-shakespeare --data input.txt', about: 'a small model of one text, in seconds' },
    {
      line: 'pretrain tiny --data a.jsonl b.parquet --run runs/mine --set steps=5000 precision=fp8',
      about: 'a preset on your own files',
    },
    { line: 'pretrain tiny --task ./my-task.ts', about: 'a base that reads worked examples of your own task' },
    { line: 'pretrain --resume --run runs/mine', about: 'resume after Ctrl-C or a crash, to the same weights' },
  ],
  charts: [
    chart('loss', 'Loss', 'nats per token', lossLines, { isWide: true, skipsStart: true }),
    throughputChart('training', 'tokens per second', 'tokensPerSecond'),
    balanceChart(stepLine('training', 'maxVio'), evaluationLine('validation', 'maxVio')),
    gradientChart,
    chart('rate', 'Learning rate', 'per step', [stepLine('rate', 'learningRate', { smooth: false })]),
  ],
  headline: [
    stepNumber('Loss', 'loss'),
    { label: 'Validation loss', event: 'evaluated', field: 'loss', format: 'number' },
    stepNumber('Tokens/s', 'tokensPerSecond'),
    { ...stepNumber('MFU (of the bf16 rate)', 'mfu'), format: 'percent' },
  ],
  heldOut: validationLoss,
  open: openPretraining,
  facts,
  line,
};

function facts(events: readonly PretrainEvent[], lineage: Lineage): Fact[] {
  const [started] = eventsNamed(events, 'started');
  const evaluated = eventsNamed(events, 'evaluated');
  const [best] = evaluated.toSorted((a, b) => a.loss - b.loss);
  const rows: (Fact | undefined)[] = [
    ['status', lineage.status],
    started && [
      'parameters (active)',
      `${formatMillions(started.parameters.total)} (${formatMillions(started.parameters.active)})`,
    ],
    ['steps, tokens', `${lineage.steps}, ${formatMillions(lineage.tokens)}`],
    best && [
      'best validation loss',
      `${best.loss.toFixed(4)} on ${best.tokens} tokens, step ${best.step}, ` +
        `after ${formatDuration(secondsUntil(best, events, lineage))}`,
    ],
    ...lineageFacts(lineage),
  ];
  return rows.filter((row) => row !== undefined);
}

function line(event: PretrainEvent): string | null {
  switch (event.event) {
    case 'started': {
      const { parameters, steps, tokensPerStep, device } = event;
      const size = `${formatMillions(parameters.total)} parameters, ${formatMillions(parameters.active)} active`;
      return `${size}, ${steps} steps of ${tokensPerStep} tokens on ${device}`;
    }
    case 'step': {
      const write = (x: number | null) => (x === null ? 'not finite' : x.toFixed(3));
      return [
        `loss ${write(event.loss)}`,
        `gradient ${write(event.gradientNorm)}`,
        `rate ${event.learningRate.toExponential(1)}`,
        `${Math.round(event.tokensPerSecond).toLocaleString('en-US')} tokens/s`,
        `MFU ${formatPercent(event.mfu)}`,
        ...(event.maxVio === null ? [] : [`MaxVio ${event.maxVio.toFixed(2)}`]),
      ].join('  ');
    }
    case 'evaluated':
      return [
        `validation loss ${event.loss.toFixed(4)}`,
        ...(event.maxVio === null ? [] : [`MaxVio ${event.maxVio.toFixed(3)}`]),
      ].join(', ');
    case 'sampled':
      return `${JSON.stringify(event.prompt)} continues as\n${event.text.replaceAll(/^/gm, '  | ')}`;
    default:
      return null;
  }
}

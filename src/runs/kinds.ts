// The kinds of run as lists and data. An interim: the objects of the contract (train/run/kind.ts) replace them.
import { type DistilEvent, distilEventSchema, readTraces, resolveDistil } from '../distill/index.ts';
import { type RlEvent, resolveRl, rlEventSchema, rlFiles } from '../rl/index.ts';
import {
  type Excerpt,
  eventSchema,
  type PretrainRecipe,
  type RunKind,
  resolvePretrain,
  setPath,
} from '../train/index.ts';
import { distilFacts, eventsOf, pretrainingFacts, rlFacts } from './facts.ts';

function rlSamples(events: readonly RlEvent[]): Excerpt[] {
  const samples = eventsOf(events, 'sampled');
  return [...new Set([samples[0], samples.at(-1)])].flatMap((sample) =>
    sample ? [{ title: `Step ${sample.step} (${sample.verdict})`, text: `${sample.prompt}${sample.text}` }] : [],
  );
}

function firstTrace(_: readonly DistilEvent[], folder: string): Excerpt[] {
  const [trace] = readTraces(folder);
  if (!trace) return [];
  return [{ title: `A trace of ${trace.teacher}`, text: `${trace.prompt.join('')}${trace.response}` }];
}

const evaluated = { event: 'evaluated', groupBy: ['task', 'difficulty'] };
const step = { event: 'step', smooth: true };
const n = 'number';
export const runKinds = [
  {
    name: 'pretrain',
    title: 'Pretraining',
    about: 'Trains a model from text, by the DeepSeek-V3 recipe.',
    formerNames: ['pretraining'],
    recipeFile: 'config.json',
    events: eventSchema,
    arguments: [
      { flag: 'data', path: 'data.inputs', type: 'files', isRequired: true, about: 'text, JSONL or Parquet files' },
    ],
    mainFields: ['steps', 'batchSize', 'sequenceLength', 'schedule.learningRate', 'seed'],
    headline: [
      { label: 'Loss', event: 'step', field: 'loss', format: n },
      { label: 'Validation loss', event: 'evaluated', field: 'loss', format: n },
      { label: 'Tokens/s', event: 'step', field: 'tokensPerSecond', format: n },
      { label: 'MFU', event: 'step', field: 'mfu', format: 'percent' },
    ],
    charts: [
      {
        id: 'loss',
        title: 'Loss',
        unit: 'nats per token',
        format: n,
        isWide: true,
        skipsStart: true,
        series: [
          { ...step, name: 'training', field: 'loss' },
          { name: 'validation', event: 'evaluated', field: 'loss' },
          { ...step, name: 'two tokens ahead (MTP)', field: 'mtpLoss' },
        ],
      },
      {
        id: 'throughput',
        title: 'Throughput',
        unit: 'tokens per second',
        format: n,
        series: [{ ...step, name: 'training', field: 'tokensPerSecond', zeroIsGap: true }],
      },
      {
        id: 'balance',
        title: 'Balance of experts',
        unit: 'MaxVio',
        format: n,
        series: [
          { ...step, name: 'step', field: 'maxVio' },
          { name: 'validation', event: 'evaluated', field: 'maxVio' },
        ],
      },
      {
        id: 'gradient',
        title: 'Gradient',
        unit: 'norm before clipping',
        format: n,
        skipsStart: true,
        series: [{ ...step, name: 'norm', field: 'gradientNorm' }],
      },
      {
        id: 'rate',
        title: 'Learning rate',
        unit: 'per step',
        format: n,
        series: [{ name: 'rate', event: 'step', field: 'learningRate' }],
      },
    ],
    facts: pretrainingFacts,
    resolve: (recipe: PretrainRecipe) => resolvePretrain(recipe),
  },
  {
    name: 'rl',
    title: 'Reinforcement learning',
    about: 'Lets a base model learn.',
    formerNames: ['reinforcement'],
    recipeFile: rlFiles.config,
    events: rlEventSchema,
    arguments: [
      {
        flag: 'model',
        path: 'model',
        type: 'checkpoint',
        isRequired: true,
        about: 'the checkpoint that it begins from',
      },
      {
        flag: 'task',
        path: 'tasks',
        type: 'tasks',
        isRequired: true,
        about: 'countdown, arithmetic, sequence; name:4 sets the difficulty',
      },
    ],
    mainFields: ['steps', 'questions', 'groupSize', 'maxTokens', 'learningRate', 'seed'],
    headline: [
      { label: 'Accuracy', event: 'step', field: 'accuracy', format: 'percent' },
      { label: 'Held-out accuracy', event: 'evaluated', field: 'passAt1', format: 'percent' },
      { label: 'Tokens per response', event: 'step', field: 'tokens', format: n },
      { label: 'Rollout tokens/s', event: 'step', field: 'rolloutTokensPerSecond', format: n },
    ],
    charts: [
      {
        id: 'accuracy',
        title: 'Accuracy',
        unit: 'share of responses',
        format: 'percent',
        isWide: true,
        series: [
          { ...step, name: 'Accuracy', field: 'accuracy' },
          { ...step, name: 'Well-formed', field: 'format' },
          { ...step, name: 'Zero-variance groups', field: 'silentGroups' },
          { ...evaluated, name: 'Held-out accuracy', field: 'passAt1' },
        ],
      },
      {
        id: 'length',
        title: 'Response length',
        unit: 'tokens',
        format: n,
        series: [
          { ...step, name: 'all', field: 'tokens' },
          { ...step, name: 'correct', field: 'tokensRight', tone: 'good' },
          { ...step, name: 'wrong', field: 'tokensWrong', tone: 'bad' },
        ],
      },
      {
        id: 'entropy',
        title: 'Entropy',
        unit: 'nats per token',
        format: n,
        series: [{ ...step, name: 'entropy', field: 'entropy' }],
      },
      {
        id: 'kl',
        title: 'KL to the reference',
        unit: 'nats per token',
        format: n,
        hideZeros: true,
        series: [{ ...step, name: 'KL', field: 'kl' }],
      },
      {
        id: 'checks',
        title: 'Verification phrases',
        unit: 'per response',
        format: n,
        series: [{ ...step, name: 'phrases', field: 'checks' }],
      },
      {
        id: 'throughput',
        title: 'Throughput',
        unit: 'tokens per second',
        format: n,
        series: [{ ...step, name: 'rollouts', field: 'rolloutTokensPerSecond', zeroIsGap: true }],
      },
      {
        id: 'balance',
        title: 'Balance of experts',
        unit: 'MaxVio',
        format: n,
        series: [{ ...step, name: 'step', field: 'maxVio' }],
      },
    ],
    facts: rlFacts,
    excerpts: rlSamples,
    resolve: resolveRl,
  },
  {
    name: 'distill',
    title: 'Distillation',
    about: "Fine-tunes a student on a teacher's correct answers.",
    formerNames: ['distillation', 'distil'],
    recipeFile: 'distil.json',
    events: distilEventSchema,
    arguments: [
      { flag: 'student', path: 'student', type: 'checkpoint', isRequired: true, about: 'the checkpoint that learns' },
      { flag: 'teacher', path: 'teacher', type: 'model', isRequired: true, about: 'the model that is asked' },
      {
        flag: 'task',
        path: 'tasks',
        type: 'tasks',
        isRequired: true,
        about: 'countdown, arithmetic, sequence; name:4 sets the difficulty',
      },
      { flag: 'traces', path: 'traces.wanted', type: 'number', isRequired: false, about: 'correct answers to keep' },
    ],
    mainFields: ['epochs', 'batch', 'learningRate', 'seed'],
    headline: [
      { label: 'Loss', event: 'step', field: 'loss', format: n },
      { label: 'Held-out accuracy', event: 'evaluated', field: 'passAt1', format: 'percent' },
    ],
    charts: [
      {
        id: 'loss',
        title: 'Loss',
        unit: 'nats per learned token',
        format: n,
        isWide: true,
        skipsStart: true,
        series: [{ ...step, name: 'training', field: 'loss' }],
      },
      {
        id: 'accuracy',
        title: 'Held-out accuracy',
        unit: 'pass@1',
        format: 'percent',
        series: [{ ...evaluated, name: 'Held-out accuracy', field: 'passAt1' }],
      },
      {
        id: 'throughput',
        title: 'Throughput',
        unit: 'tokens per second',
        format: n,
        series: [{ ...step, name: 'training', field: 'tokensPerSecond' }],
      },
      {
        id: 'gradient',
        title: 'Gradient',
        unit: 'norm before clipping',
        format: n,
        series: [{ ...step, name: 'norm', field: 'gradientNorm' }],
      },
    ],
    facts: distilFacts,
    excerpts: firstTrace,
    resolve: resolveDistil,
  },
] as unknown as readonly RunKind[];

export function resolveRecipe(kind: RunKind, recipe: object, assignments: readonly string[]): object {
  const fields = structuredClone(recipe) as Record<string, unknown>;
  for (const assignment of assignments) setPath(fields, assignment);
  const { resolve } = kind as RunKind & { readonly resolve?: (fields: object) => object };
  return resolve ? resolve(fields) : kind.recipe.parse(fields);
}

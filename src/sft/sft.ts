// Supervised fine-tuning as a kind of run: a model learns from given conversations.
//
// Contract: the conversations are those of the first session; files that changed since are refused on resume.

import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { describeConversations, hashFile, loadBaseVocabulary, pauses, toConversations } from '../corpus/index.ts';
import { promptEncoder } from '../engine/index.ts';
import { formatMillions, Random, sum } from '../math/index.ts';
import { countParameters } from '../model/index.ts';
import { toChatTemplate } from '../tasks/index.ts';
import { ChatTemplate, loadTokenizer } from '../tokenizer/index.ts';
import {
  evaluationLine,
  eventsNamed,
  type Fact,
  type Lineage,
  lineageFacts,
  modelArgument,
  type Run,
  type RunKind,
  readBaseConfig,
  readCollectors,
  TrainError,
  type Trainer,
  validationLoss,
} from '../train/index.ts';
import { FineTuning, fineTuningCharts, fineTuningHeadline, fineTuningLine, openTunedModel } from './fine-tuning.ts';
import { type SftEvent, sftEvents } from './sft-events.ts';
import { type ConversationMessage, readConversations, toExamples } from './sft-examples.ts';
import { countLearned, type SftExample } from './sft-objective.ts';
import { type SftConfig, sftSchema } from './sft-recipe.ts';
import { SftValidation } from './sft-validation.ts';

export const sft: RunKind<SftConfig, SftEvent> = {
  name: 'sft',
  title: 'Supervised fine-tuning',
  about: 'fine-tune a model on conversations: the loss is on the tokens of the assistant',
  recipeFile: 'sft.json',
  recipe: sftSchema,
  events: sftEvents,
  fixedFields: ['model', 'data', 'template', 'validationFraction', 'batchSize', 'epochs', 'seed'],
  mainFields: ['epochs', 'batchSize', 'learningRate', 'seed'],
  arguments: [
    modelArgument,
    {
      flag: 'data',
      path: 'data',
      type: 'files',
      isRequired: true,
      about: 'JSONL files, a conversation per line: {"messages":[{"role":"user","content":"..."}, ...]}',
    },
    {
      flag: 'task',
      path: 'data',
      type: 'tasks',
      isRequired: false,
      about: 'problems of bundled tasks, or of files that export one, with their steps; name:4 sets the difficulty',
      item: { field: 'task', fields: { conversations: 'problems', count: 2000 } },
    },
  ],
  examples: [
    { line: 'sft --model my-base --data conversations.jsonl', about: 'a model learns to answer as an assistant' },
    {
      line: 'sft --model my-base --data a.jsonl b.jsonl --set epochs=1 learningRate=1e-4',
      about: 'one epoch, a lower learning rate',
    },
    { line: 'sft --resume --run runs/mine', about: 'resume a run' },
  ],
  charts: fineTuningCharts(evaluationLine('validation', 'loss')),
  headline: [
    fineTuningHeadline[0],
    { label: 'Validation loss', event: 'evaluated', field: 'loss', format: 'number' },
    ...fineTuningHeadline.slice(1),
  ],
  heldOut: validationLoss,
  open: openSft,
  facts,
  line,
};

interface Conversations {
  readonly training: readonly SftExample[];
  readonly validation: readonly SftExample[];
  /** Examples that are longer than the model or a micro-batch can hold. */
  readonly tooLong: number;
  readonly count: number;
}

/** Reads and renders the conversations. Throws TrainError where there is nothing to learn. */
async function readExamples(
  config: SftConfig,
  chatTemplate: string,
  longest: number,
  signal: AbortSignal,
): Promise<Conversations> {
  const { model, data, seed, validationFraction } = config;
  const own = loadTokenizer(model);
  const template = own.chatTemplate ?? new ChatTemplate(chatTemplate, own.specialTokens);
  const loaded = { ...own, chatTemplate: template };
  const pause = pauses(signal);
  const conversations: (readonly ConversationMessage[])[] = [];
  for (const input of data)
    conversations.push(...(await (typeof input === 'string' ? readConversations([input]) : toConversations(input))));
  const [training, validation]: [SftExample[], SftExample[]] = [[], []];
  let tooLong = 0;
  for (const [i, messages] of conversations.entries()) {
    await pause();
    const examples = await toExamples(messages, loaded, own.eosIds[0]);
    const fitting = examples.filter(({ ids }) => ids.length <= longest);
    tooLong += examples.length - fitting.length;
    (new Random(seed, i).uniform() < validationFraction ? validation : training).push(...fitting);
  }
  promptEncoder(loaded).close();
  if (training.length > 0) return { training, validation, tooLong, count: conversations.length };
  throw new TrainError(
    'data',
    `none of ${conversations.length} conversations can be learned, ${tooLong} are longer than ${longest} tokens`,
    'give more or shorter conversations, or take a model with a longer context',
  );
}

const nameConversations = ({ conversations, task }: Exclude<SftConfig['data'][number], string>) =>
  `conversations: ${conversations}${task === undefined ? '' : ` of ${task}`}`;

/** Describes the files and generators for the lineage. */
async function describeData(
  { data, model }: SftConfig,
  documents: number,
  tokens: number,
): Promise<NonNullable<Lineage['data']>> {
  const hash = (text: string) => createHash('sha256').update(text).digest('hex');
  const hashes = await Promise.all(
    data.map((input) => (typeof input === 'string' ? hashFile(input) : hash(describeConversations(input)))),
  );
  return {
    hash: hash(hashes.join()),
    tokenizer: await hashFile(join(model, 'tokenizer.json')),
    documents,
    tokens,
    sources: data.map((input, i) => ({
      name: typeof input === 'string' ? basename(input) : nameConversations(input),
      sha256: hashes[i],
    })),
  };
}

async function openSft(config: SftConfig, run: Run<SftEvent>): Promise<Trainer> {
  const { model, template, microBatchTokens, epochs } = config;
  const base = readBaseConfig(model);
  const chatTemplate = loadTokenizer(model).chatTemplate?.text ?? toChatTemplate(template);
  const vocabulary = loadBaseVocabulary(model, chatTemplate);
  const longest = Math.min(base.maxPositionEmbeddings, microBatchTokens + 1);
  const { training, validation, tooLong, count } = await readExamples(config, chatTemplate, longest, run.signal);
  const tokens = countLearned(training);
  const data = await describeData(config, count, tokens);
  const learned = run.checkpoint?.state.data as { readonly hash: string } | undefined;
  if (learned !== undefined && learned.hash !== data.hash)
    throw new TrainError('data', 'is not what the checkpoint learned from', 'restore the files, or begin another run');
  const tuned = await openTunedModel(model, run, config);
  const tuning = new FineTuning(tuned, training, config, run);
  const measurement = validation.length > 0 ? new SftValidation(tuned, validation, config.precision) : null;
  return {
    origin: { initial: model, data, predicted: tuning.predicted, written: await readCollectors(config.data) },
    started: {
      parameters: countParameters(base).total,
      steps: tuning.steps,
      epochs,
      examples: training.length,
      tooLong,
      tokens,
    },
    steps: tuning.steps,
    every: config.every,
    step: (n) => tuning.step(n),
    evaluate: async (step) => {
      if (measurement === null) return;
      const found = await measurement.run(run.signal);
      run.count({ evaluation: sum(validation.map(({ ids }) => tuned.flops.forward(ids.length - 1))) });
      run.emit({ event: 'evaluated', step, ...found });
    },
    snapshot: () => tuning.snapshot({ hash: data.hash }, vocabulary.save),
    close: async () => {
      measurement?.dispose();
      tuned.dispose();
    },
  };
}

function facts(events: readonly SftEvent[], lineage: Lineage): Fact[] {
  const [started] = eventsNamed(events, 'started');
  const evaluated = eventsNamed(events, 'evaluated');
  const losses = [...new Set([evaluated[0], evaluated.at(-1)])].flatMap((event) =>
    event ? [`${event.loss.toFixed(4)} at step ${event.step}`] : [],
  );
  return [
    ['status', `${lineage.status}, ${lineage.steps} steps`],
    ...(started ? ([['examples', `${started.examples}, ${started.tooLong} too long for the model`]] as Fact[]) : []),
    ['training loss', eventsNamed(events, 'step').at(-1)?.loss?.toFixed(4) ?? 'no step yet'],
    ...(losses.length > 0 ? ([['validation loss', losses.join(', ')]] as Fact[]) : []),
    ...lineageFacts(lineage),
  ];
}

function line(event: SftEvent): string | null {
  switch (event.event) {
    case 'started': {
      const { parameters, examples, epochs, steps, tokens, tooLong, device } = event;
      const work = `${examples} examples with ${tokens} learned tokens, ${epochs} epochs in ${steps} steps`;
      return `${formatMillions(parameters)} parameters, ${work} on ${device}; ${tooLong} examples are too long`;
    }
    case 'step':
      return fineTuningLine(event);
    case 'evaluated':
      return `validation loss ${event.loss.toFixed(4)}`;
    default:
      return null;
  }
}

// Distillation as a kind of run: a student learns from a teacher's correct answers.
//
// A run folder has, besides what every run has: traces.jsonl and asked.jsonl (traces.ts).
import { formatMillions, formatPercent } from '../math/index.ts';
import { fineTuningCharts, fineTuningHeadline, fineTuningLine } from '../sft/index.ts';
import {
  accuracyFacts,
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
  type RunKind,
  stepLine,
  taskArgument,
} from '../train/index.ts';
import { type DistillEvent, distillEvents } from './distill-events.ts';
import { checkDistill, type DistillConfig, distillSchema } from './distill-recipe.ts';
import { openDistillation } from './distill-trainer.ts';
import { readTraces } from './traces.ts';

export const distill: RunKind<DistillConfig, DistillEvent> = {
  name: 'distill',
  title: 'Distillation',
  about: "fine-tune a student on a teacher's correct answers",
  alias: 'distil',
  recipeFile: 'distil.json',
  recipe: distillSchema,
  events: distillEvents,
  check: checkDistill,
  fixedFields: [
    'student',
    'teacher',
    'method',
    'tasks',
    'template',
    'traces',
    'onPolicy',
    'learn',
    'epochs',
    'batch',
    'seed',
  ],
  mainFields: ['method', 'epochs', 'batch', 'learningRate', 'traces.samples', 'traces.maxTokens', 'seed'],
  arguments: [
    { flag: 'student', path: 'student', type: 'checkpoint', isRequired: true, about: 'the checkpoint that learns' },
    {
      flag: 'teacher',
      path: 'teacher',
      type: 'model',
      isRequired: true,
      about: "a checkpoint's folder, or the address of an OpenAI-compatible API",
    },
    taskArgument,
    {
      flag: 'traces',
      path: 'traces.wanted',
      type: 'number',
      isRequired: false,
      about: 'the number of correct answers to keep',
    },
  ],
  examples: [
    {
      line: 'distill --student my-small --teacher my-reasoner --task countdown:3 --traces 5000',
      about: "a student learns from a teacher's correct answers",
    },
    {
      line: 'distill --student my-small --teacher http://127.0.0.1:8000/v1 --task arithmetic',
      about: 'a teacher behind an API, with its key in MINKE_TEACHER_KEY',
    },
    {
      line: 'distill --student my-small --teacher my-reasoner --task countdown:3 --set method=on-policy',
      about: "the student's own answers, corrected by the teacher token by token",
    },
    { line: 'distill --resume --run runs/mine', about: 'resume a run' },
  ],
  charts: [
    ...fineTuningCharts(),
    chart('accuracy', 'Accuracy', 'share of responses', [stepLine('on-policy', 'accuracy'), heldOutLine], {
      format: 'percent',
      isWide: true,
    }),
  ],
  headline: [...fineTuningHeadline, heldOutNumber],
  heldOut: heldOutAccuracy,
  open: openDistillation,
  facts,
  excerpts,
  line,
};

function facts(events: readonly DistillEvent[], lineage: Lineage): Fact[] {
  const [training] = eventsNamed(events, 'training');
  const teachers = lineage.teachers.map(({ name, tokens }) => `${name}, ${formatMillions(tokens)} tokens`);
  return [
    ['status', `${lineage.status}, ${lineage.steps} steps`],
    ['teacher', teachers.join('; ') || 'none yet'],
    ...(training ? ([['traces', `${training.traces}, ${training.tooLong} too long for the student`]] as Fact[]) : []),
    ['loss', eventsNamed(events, 'step').at(-1)?.loss?.toFixed(4) ?? 'no step yet'],
    ...accuracyFacts(eventsNamed(events, 'evaluated')),
    ...lineageFacts(lineage),
  ];
}

function excerpts(_: readonly DistillEvent[], folder: string): Excerpt[] {
  return readTraces(folder)
    .slice(0, 1)
    .map(({ teacher, prompt, response }) => ({
      title: `A trace of ${teacher}`,
      text: `${prompt.join('')}${response.trimEnd()}`,
    }));
}

function line(event: DistillEvent): string | null {
  switch (event.event) {
    case 'started':
      return `${event.teacher || 'a finished run'} teaches, on ${event.device}`;
    case 'collecting': {
      const { done, total, problems, rejected } = event;
      return `${done}/${total} traces from ${problems} problems, ${rejected} responses rejected`;
    }
    case 'training': {
      const { parameters, traces, tokens, epochs, steps, tooLong } = event;
      const work = `${traces} traces with ${tokens} learned tokens, ${epochs} epochs in ${steps} steps`;
      return `${formatMillions(parameters)} parameters, ${work}; ${tooLong} traces are too long`;
    }
    case 'step':
      return event.accuracy === undefined ? fineTuningLine(event) : onPolicyLine(event);
    case 'evaluated':
      return describeEvaluation(event);
    default:
      return null;
  }
}

type StepEvent = Extract<DistillEvent, { event: 'step' }>;

function onPolicyLine({ loss, accuracy = 0, format = 0, tokens = 0, tokensPerSecond }: StepEvent): string {
  return [
    `divergence ${loss?.toFixed(4) ?? 'not finite'}`,
    `accuracy ${formatPercent(accuracy)}`,
    `well-formed ${formatPercent(format)}`,
    `${tokens.toFixed(0)} tokens`,
    `${tokensPerSecond.toFixed(0)} tokens/s`,
  ].join('  ');
}

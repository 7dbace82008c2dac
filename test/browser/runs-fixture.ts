// A folder of runs for the browser to look at, and the server around it: minke watch itself, as a process.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openDevice, packageRoot } from '../../src/kernels/index.ts';
import { rl } from '../../src/rl/index.ts';
import { useDevice } from '../../src/tensor/index.ts';
import { pretrain, readEvents, resolveRecipe, startRun } from '../../src/train/index.ts';

/** Trains a base that writes well-formed answers at times, but never a correct one, which the diagnosis explains. */
async function pretrainBase(root: string, device: ReturnType<typeof openDevice>): Promise<string> {
  const corpus = join(root, 'datasets', 'corpus.jsonl');
  mkdirSync(join(root, 'datasets'), { recursive: true });
  const page = (i: number) => {
    const [a, b] = [10 + ((i * 37) % 45), 10 + ((i * 11) % 44)];
    return `User: Make ${a + b} from ${a}, ${b}.\nAssistant: <think>\n${b}*0\n</think>\n<answer>${a}+${b}</answer>`;
  };
  writeFileSync(corpus, Array.from({ length: 300 }, (_, i) => JSON.stringify({ text: page(i) })).join('\n'));
  const folder = join(root, 'base');
  await startRun(
    pretrain,
    resolveRecipe(pretrain, {
      model: { preset: 'nano', num_nextn_predict_layers: 0 },
      data: { inputs: [corpus], tokenizer: 'characters', validationFraction: 0 },
      steps: 60,
      batchSize: 8,
      sequenceLength: 96,
      every: { evaluate: 60, sample: 60, save: 60 },
      schedule: { learningRate: 4e-3, minLearningRate: 1e-3, warmupSteps: 10 },
    }),
    { folder, device },
  );
  return join(folder, 'checkpoints', 'step-00000060');
}

/** Writes conversations in the characters that the base knows. */
function writeConversations(root: string): void {
  const lines = Array.from({ length: 40 }, (_, i) => {
    const [a, b] = [10 + (i % 7), 20 + i];
    const messages = [
      { role: 'user', content: `Make ${a + b} from ${a}, ${b}.` },
      { role: 'assistant', content: `<think>\n${a}+${b}\n</think>\n<answer>${a}+${b}</answer>` },
    ];
    return JSON.stringify({ messages });
  });
  writeFileSync(join(root, 'conversations.jsonl'), lines.join('\n'));
}

/** Returns the steps per second, by the median step. */
function measurePace(run: string): number {
  const times = readEvents(join(run, 'events.jsonl'), pretrain.events).flatMap((event) =>
    event.event === 'step' ? [event.time] : [],
  );
  const spans = times.slice(1).map((time, i) => time - times[i]);
  return 1000 / Math.max(1, spans.sort((a, b) => a - b)[spans.length >> 1]);
}

/**
 * Makes `base`, a pretraining, and `zero`, twelve steps of reinforcement learning on it. Returns the steps per second
 * of the first. Beside them are conversations.jsonl for fine-tuning.
 */
export async function makeRuns(root: string): Promise<number> {
  writeConversations(root);
  const device = openDevice();
  useDevice(device);
  try {
    const model = await pretrainBase(root, device);
    const recipe = {
      model,
      tasks: [{ task: 'countdown', difficulty: 2 }],
      gate: { samples: 0 },
      noSignal: { steps: 0 },
      steps: 12,
      questions: 2,
      groupSize: 2,
      maxTokens: 24,
      microBatchTokens: 256,
      parallel: 8,
      evaluation: { problems: 2, samples: 2 },
      every: { evaluate: 6, sample: 4, save: 12 },
    };
    await startRun(rl, resolveRecipe(rl, recipe), { folder: join(root, 'zero'), device });
    return measurePace(join(root, 'base'));
  } finally {
    await device.close();
  }
}

export interface Watching {
  readonly url: string;
  close(): Promise<void>;
}

/** Starts minke watch on a folder, and in it, on a free port. */
export async function watchRuns(root: string): Promise<Watching> {
  const main = join(packageRoot(), 'dist/src/cli/main.js');
  const child: ChildProcess = spawn(process.execPath, [main, 'watch', root, '--port', '0'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  return {
    url: new URL(/http:\S+/.exec(String(line))?.[0] as string).origin,
    async close() {
      child.kill('SIGINT');
      await once(child, 'exit');
    },
  };
}

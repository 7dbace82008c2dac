// Distillation by distributions: the student's answers corrected by the teacher, and the teacher's traces with its
// distributions. npm test -- on-policy
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Device, openDevice } from '../kernels/index.ts';
import { exportWeights, writeCheckpoint } from '../model/checkpoint/index.ts';
import { initialWeights, type ModelConfig, preset, readConfig, writeConfig } from '../model/index.ts';
import { useDevice } from '../tensor/index.ts';
import { characterTokenizer, saveTokenizer } from '../tokenizer/index.ts';
import { readEvents, resolveRecipe, resumeRun, startRun } from '../train/index.ts';
import { distill } from './distill.ts';
import type { DistillRecipe } from './distill-recipe.ts';

const characters = [...new Set('User: Make from. Assistant<think>/answer0123456789+-*=,\n()?;')].join('');
const dense = {
  model_type: 'llama',
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
};

let device: Device;
let folder: string;
let student: string;
let teacher: string;
before(async () => {
  device = openDevice();
  useDevice(device);
  folder = mkdtempSync(join(tmpdir(), 'minke-on-policy-'));
  student = await checkpoint('student', dense, 1);
  teacher = await checkpoint('teacher', writeConfig(preset('nano', { vocabSize: 40 })), 2);
});
after(async () => {
  rmSync(folder, { recursive: true });
  await device.close();
});

async function checkpoint(name: string, fields: object, seed: number, alphabet = characters): Promise<string> {
  const path = join(folder, name);
  const sizes = { vocab_size: 1 + alphabet.length, max_position_embeddings: 128, initializer_range: 0.1 };
  const config: ModelConfig = readConfig({ ...fields, ...sizes });
  const weights = initialWeights(config, seed, device);
  await writeCheckpoint(path, writeConfig(config), exportWeights(config, weights, 'f32'), { shardBytes: 1e9 });
  for (const weight of weights.values()) weight.dispose();
  saveTokenizer(path, characterTokenizer(alphabet, { specialTokens: ['<end>'] }), { eos_token: '<end>' });
  return path;
}

const recipe = (): DistillRecipe => ({
  student,
  teacher,
  method: 'on-policy',
  tasks: [{ task: 'countdown', difficulty: 2 }],
  onPolicy: { steps: 12, questions: 4, samples: 2, maxTokens: 12 },
  learningRate: 5e-3,
  warmupSteps: 1,
  microBatchTokens: 256,
  saveEvery: 4,
  evaluateEvery: 6,
  evaluation: { problems: 2, samples: 1 },
});

const readSteps = (run: string) =>
  readEvents(join(run, 'events.jsonl'), distill.events).flatMap((event) => (event.event === 'step' ? [event] : []));
const readWeights = (run: string) => readFileSync(join(run, 'checkpoints', 'step-00000012', 'model.safetensors'));

describe('a student corrected on its own answers', () => {
  test('comes nearer to its teacher; stopped and resumed it ends in the same weights', async () => {
    const resolved = resolveRecipe(distill, recipe());
    const whole = join(folder, 'whole');
    assert.equal(await startRun(distill, resolved, { folder: whole, device }), 'completed');
    const losses = readSteps(whole).map(({ loss }) => loss as number);
    assert.ok(losses.every((loss) => loss > 0));
    assert.ok(losses[11] < 0.7 * losses[0], `${losses}`);
    const stopped = join(folder, 'stopped');
    const stopping = new AbortController();
    const listen = (event: { event: string; step?: number }) =>
      event.event === 'step' && event.step === 5 && stopping.abort();
    const half = { folder: stopped, device, signal: stopping.signal, listen };
    assert.equal(await startRun(distill, resolved, half), 'stopped');
    assert.equal(await resumeRun(distill, { folder: stopped, device }), 'completed');
    assert.ok(readWeights(stopped).equals(readWeights(whole)));
    const lineages = [whole, stopped].map((run) => JSON.parse(readFileSync(join(run, 'lineage.json'), 'utf8')));
    const learned = readSteps(whole).reduce((sum, { tokens }) => sum + 8 * (tokens as number), 0);
    for (const { teachers } of lineages) {
      assert.deepEqual([teachers.length, teachers[0].name, Math.round(learned)], [1, 'teacher', teachers[0].tokens]);
      assert.match(teachers[0].weights, /^[0-9a-f]{64}$/);
    }
  });

  test('a student that is its teacher has nothing to learn', async () => {
    const own = join(folder, 'same');
    const onPolicy = { steps: 1, questions: 2, samples: 1, maxTokens: 12 };
    const same = resolveRecipe(distill, { ...recipe(), teacher: student, onPolicy, precision: 'f32' });
    assert.equal(await startRun(distill, same, { folder: own, device }), 'completed');
    const [{ loss, gradientNorm }] = readSteps(own);
    assert.deepEqual([loss, gradientNorm], [0, 0]);
  });
});

test("a student learns a teacher's distributions on texts that are there", async () => {
  const traces = join(folder, 'traces');
  mkdirSync(traces);
  const traceLines = ['1+2=3', '4*5=20', '9-7=2'].map((text, i) =>
    JSON.stringify({
      prompt: ['User: ', `Make ${i}.`, '\nAssistant: <think>\n'],
      response: `${text}</think>`,
      task: 'countdown',
      key: `${i}`,
      teacher: 'teacher',
    }),
  );
  writeFileSync(join(traces, 'traces.jsonl'), traceLines.join('\n'));
  const own = join(folder, 'logits');
  const { onPolicy: _, tasks: __, ...given } = recipe();
  const learning = { ...given, method: 'logits', traces: { from: traces }, epochs: 12, batch: 3 } as const;
  assert.equal(await startRun(distill, resolveRecipe(distill, learning), { folder: own, device }), 'completed');
  const losses = readSteps(own).map(({ loss }) => loss as number);
  assert.equal(losses.length, 12);
  assert.ok(losses[11] < 0.5 * losses[0], `${losses}`);
});

test('a teacher whose distributions cannot be read is refused before anything is written', async () => {
  assert.throws(() => resolveRecipe(distill, { ...recipe(), teacher: 'http://127.0.0.1:1/v1' }), /no checkpoint/);
  assert.throws(() => resolveRecipe(distill, { ...recipe(), tasks: [] }), /add --task/);
  assert.throws(() => resolveRecipe(distill, { ...recipe(), learn: 'answer' }), /whole answers of the student/);
  const other = await checkpoint('other', dense, 3, `${characters}X`);
  const refused = join(folder, 'refused');
  await assert.rejects(
    startRun(distill, resolveRecipe(distill, { ...recipe(), teacher: other }), { folder: refused, device }),
    /has another vocabulary .* give both the same tokenizer, or learn from texts: method traces/,
  );
  assert.equal(existsSync(refused), false);
});

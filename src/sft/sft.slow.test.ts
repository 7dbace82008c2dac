// The loss mask by hand, its gradient against manual masking, and whole runs that resume. npm test -- src/sft
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { chatPrompt } from '../engine/index.ts';
import { type Device, openDevice } from '../kernels/index.ts';
import { packageRoot } from '../kernels/root.ts';
import { exportWeights, writeCheckpoint } from '../model/checkpoint/index.ts';
import { createModel, initialWeights, precisions, preset, writeConfig } from '../model/index.ts';
import * as t from '../tensor/index.ts';
import { characterTokenizer, loadTokenizer, saveTokenizer } from '../tokenizer/index.ts';
import {
  pack,
  readEvents,
  readLineage,
  resolveRecipe,
  resumeRun,
  sequenceInputs,
  startRun,
  TrainStep,
} from '../train/index.ts';
import { examplesForStep } from './fine-tuning.ts';
import { sft } from './sft.ts';
import type { SftEvent } from './sft-events.ts';
import { type ConversationMessage, readConversations, toExamples } from './sft-examples.ts';
import { countLearned, SftObjective, toSequences } from './sft-objective.ts';
import type { SftRecipe } from './sft-recipe.ts';

let device: Device;
let folder: string;
before(() => {
  device = openDevice();
  t.useDevice(device);
  folder = mkdtempSync(join(tmpdir(), 'minke-sft-'));
});
after(async () => {
  rmSync(folder, { recursive: true });
  await device.close();
});

const config = preset('nano', { vocabSize: 40 });
const adamw = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0, maxGradNorm: 1e9, moments: 'f32' } as const;

test('the loss and its gradient are those of a plain cross-entropy on the learned tokens', async () => {
  const weights = initialWeights(config, 1, device);
  for (const weight of weights.values()) t.keep(weight);
  const model = createModel(config, weights, 64);
  // The second one has two turns; what is not learned in between must not count.
  const examples = [
    [3, 8],
    [3, 5, 7, 12],
    [3, 6],
  ].map(([prompt, end, next = end, total = end], i) => ({
    ids: Int32Array.from({ length: total }, (_, j) => (i * 11 + j * j * 7 + 3) % 40),
    mask: Uint8Array.from({ length: total }, (_, j) => Number((j >= prompt && j < end) || j >= next)),
  }));
  const learned = countLearned(examples);
  assert.equal(learned, 5 + 2 + 5 + 3);
  const shape = { tokens: 16, sequences: 3, longest: 16, columns: ['weight'] as const, aheadDepth: 0 };
  const step = new TrainStep(
    config,
    weights,
    adamw,
    'sum',
    new SftObjective(model, shape, { policy: precisions.f32, mtpWeight: 0 }),
  );
  const bins = pack(toSequences(examples), shape);
  assert.equal(bins.length, 2, 'sums go over micro-batches');
  const trained = [...weights].filter(([name]) => !name.endsWith('e_score_correction_bias')).map(([, w]) => w);
  await t.asyncScope(async (inside) => {
    // One sequence at a time, without columns: tokens that are not learned have no target.
    const plain = inside(() =>
      t.valueAndGrad(() => {
        const terms = examples.map(({ ids: all, mask }) => {
          const ids = all.subarray(0, -1);
          const targets = all.subarray(1).map((id, i) => (mask[i + 1] === 1 ? id : t.ignoreIndex));
          const T = ids.length;
          const i32 = (values: Iterable<number>, n: number) => t.fromArray(Int32Array.from(values), [n], { device });
          const sequences = { queryStart: i32([0, T], 2), maxQueries: T };
          const { out } = model.forward(
            { ids: i32(ids, T), positions: i32(ids.keys(), T), sequences },
            { policy: precisions.f32 },
          );
          return t.scale(t.sum(t.logprobs(out, model.unpackedHead, i32(targets, T)).logprobs), -1 / learned);
        });
        return terms.reduce((sum, term) => t.add(sum, term));
      }, trained),
    );
    const parts = bins.map((bin) => inside(() => step.gradients(sequenceInputs(bin, shape, device))));
    for (const [i, expected] of plain.gradients.entries()) {
      const values = await expected.read();
      const found = await Promise.all(parts.map((gradients) => gradients[i].read()));
      values.forEach((value, j) => {
        const sum = found.reduce((total, part) => total + part[j], 0);
        assert.ok(Math.abs(sum - value) <= 1e-5, `${i} ${j}: ${sum} is not ${value}`);
      });
    }
    const loss = (await plain.value.read())[0];
    const fresh = new TrainStep(
      config,
      weights,
      adamw,
      'sum',
      new SftObjective(model, shape, { policy: precisions.f32, mtpWeight: 0 }),
    );
    const { metrics } = await inside(() =>
      fresh.run(
        bins.map((bin) => sequenceInputs(bin, shape, device)),
        { step: 1, learningRate: 0, biasUpdateSpeed: 0 },
      ),
    );
    assert.ok(Math.abs(metrics.loss - loss) <= 1e-5 * loss, `${metrics.loss} is not ${loss}`);
    fresh.dispose();
  });
  step.dispose();
});

test('MTP modules learn the same tokens, and the model learns nothing from them', async () => {
  const weights = initialWeights(config, 2, device);
  for (const weight of weights.values()) t.keep(weight);
  const model = createModel(config, weights, 64);
  const shape = { tokens: 16, sequences: 3, longest: 16, columns: ['weight'] as const, aheadDepth: 1 };
  const ids = Int32Array.from({ length: 14 }, (_, j) => (j * j * 7 + 3) % 40);
  const sequences = toSequences([{ ids, mask: ids.map((_, j) => Number(j >= 4)) }]);
  const gradients = async (mtpWeight: number) => {
    const objective = new SftObjective(model, shape, { policy: precisions.f32, mtpWeight });
    const step = new TrainStep(config, weights, adamw, 'sum', objective);
    const found = await t.asyncScope(async (inside) => {
      const tensors = inside(() => step.gradients(sequenceInputs(sequences, shape, device)));
      return Promise.all(tensors.map((tensor) => tensor.read()));
    });
    step.dispose();
    return found;
  };
  const [without, half, whole] = [await gradients(0), await gradients(0.5), await gradients(1)];
  const names = [...weights.keys()].filter((name) => !name.endsWith('e_score_correction_bias'));
  assert.equal(names.length, without.length);
  const isAhead = (name: string) => name.startsWith(`model.layers.${config.numHiddenLayers}.`);
  assert.ok(names.some(isAhead));
  for (const [i, name] of names.entries()) {
    if (!isAhead(name)) assert.deepEqual(half[i], without[i], name);
    else
      assert.ok(
        whole[i].every((value, j) => Math.abs(value - 2 * half[i][j]) <= 1e-6),
        name,
      );
  }
  const size = names.flatMap((name, i) => (isAhead(name) ? [...whole[i]] : [])).reduce((sum, g) => sum + g * g, 0);
  assert.ok(size > 0);
});

test('every epoch holds every example once, in its own order', () => {
  const examples = Array.from({ length: 7 }, (_, i) => i);
  const epochs = [0, 1].map((epoch) =>
    [1, 2, 3].flatMap((s) => examplesForStep(examples, epoch * 3 + s, { batchSize: 3, seed: 5 })),
  );
  for (const order of epochs) assert.deepEqual([...order].sort(), [0, 1, 2, 3, 4, 5, 6]);
  assert.notDeepEqual(epochs[0], epochs[1]);
});

const turns =
  "{% for m in messages %}[{{ m.role[0] }}]{{ m.content }}{% if m.role == 'assistant' %}.{% endif %}{% endfor %}[a]";
const characters = [...new Set('[suar]User: Assistant<think>/\nab cdehijklmopqy0123456789')].join('');

/** Writes a small model of characters, with `.` as its end token, and returns its folder. */
async function writeModel(name: string, chatTemplate?: string, alphabet = characters): Promise<string> {
  const path = join(folder, name);
  const json = characterTokenizer(alphabet, { specialTokens: ['.'] });
  const own = preset('nano', { vocabSize: alphabet.length + 1 });
  const weights = initialWeights(own, 4, device);
  await writeCheckpoint(path, writeConfig(own), exportWeights(own, weights, 'f32'), { shardBytes: 1e9 });
  for (const weight of weights.values()) weight.dispose();
  saveTokenizer(path, json, { eos_token: '.', ...(chatTemplate !== undefined && { chat_template: chatTemplate }) });
  return path;
}

describe('conversations', () => {
  /** Renders each example as text, with what is learned in braces. */
  async function masked(template: string, messages: readonly ConversationMessage[]): Promise<string[]> {
    const loaded = loadTokenizer(await writeModel('template', template));
    return (await toExamples(messages, loaded, loaded.eosIds[0])).map(({ ids, mask }) =>
      Array.from(ids, (id, i) => (mask[i] === 1 ? `{${loaded.tokenizer.decode([id])}}` : loaded.tokenizer.decode([id])))
        .join('')
        .replaceAll('}{', ''),
    );
  }
  const say = (role: ConversationMessage['role'], content: string) => ({ role, content });

  test('one turn: the answer and its end are learned, the prompt is what chat makes of it', async () => {
    const messages = [say('system', 'ab'), say('user', 'hi'), say('assistant', 'ok')];
    assert.deepEqual(await masked(turns, messages), ['[s]ab[u]hi[a]{ok.}']);
    const loaded = loadTokenizer(join(folder, 'template'));
    const [{ ids }] = await toExamples(messages, loaded, loaded.eosIds[0]);
    const prompt = chatPrompt(loaded, messages.slice(0, 2)).ids;
    assert.deepEqual([...Array.from(ids).slice(0, prompt.length)], [...prompt]);
  });

  test('several turns: every answer is learned, in one example where prompts continue each other', async () => {
    const messages = [say('user', 'a'), say('assistant', 'b'), say('user', 'c'), say('assistant', 'd')];
    assert.deepEqual(await masked(turns, messages), ['[u]a[a]{b.}[u]c[a]{d.}']);
    const last = '{{ messages[-1].content }}:';
    assert.deepEqual(await masked(last, messages), ['a:{b.}', 'c:{d.}'], 'else each turn is an example');
  });

  test('a prompt that opens the thinking: it is closed where the answer has none', async () => {
    const thinking = '{{ messages[-1].content }}<think>{{ "\\n" }}';
    const answered = (content: string) => masked(thinking, [say('user', 'a'), say('assistant', content)]);
    assert.deepEqual(await answered('<think>\nb</think>c'), ['a<think>\n{b</think>c.}']);
    assert.deepEqual(await answered('c'), ['a<think>\n{\n</think>\n\nc.}']);
  });

  test('a line that is no conversation is named with its file and number', async () => {
    const file = join(folder, 'bad.jsonl');
    const good = JSON.stringify({ messages: [say('user', 'a'), say('assistant', 'b')] });
    for (const [line, problem] of [
      ['{"messages":', /Unexpected end of JSON/],
      ['{"text":"a"}', /messages: .*expected array/],
      ['{"messages":[{"role":"robot","content":"a"}]}', /messages\.0\.role/],
      ['{"messages":[{"role":"user","content":"a"}]}', /no message has the role "assistant"/],
    ] as const) {
      writeFileSync(file, `${good}\n\n${line}\n`);
      await assert.rejects(readConversations([file]), (error: Error) => {
        assert.ok(error.message.startsWith(`[${file}:3] is no conversation: `), error.message);
        return problem.test(error.message);
      });
    }
    await assert.rejects(readConversations([join(folder, 'none')]), /cannot be read/);
  });
});

describe('a run', () => {
  let model: string;
  let data: string;
  before(async () => {
    model = await writeModel('model', turns);
    data = join(folder, 'data.jsonl');
    const line = (i: number) => ({
      messages: [
        { role: 'user', content: `${i % 7}` },
        { role: 'assistant', content: 'ok'.repeat(1 + (i % 3)) },
      ],
    });
    writeFileSync(data, Array.from({ length: 40 }, (_, i) => JSON.stringify(line(i))).join('\n'));
  });

  const recipe = (): SftRecipe => ({
    model,
    data: [data],
    epochs: 2,
    batchSize: 8,
    validationFraction: 0.2,
    microBatchTokens: 64,
    learningRate: 3e-3,
    warmupSteps: 1,
    every: { evaluate: 4, save: 3 },
  });
  const readSteps = (run: string) =>
    readEvents(join(run, 'events.jsonl'), sft.events).flatMap((e) => (e.event === 'step' ? [[e.step, e.loss]] : []));
  const checkpoint = (run: string, step: number) => join(run, 'checkpoints', `step-${String(step).padStart(8, '0')}`);
  const readWeights = (run: string, step: number) => readFileSync(join(checkpoint(run, step), 'model.safetensors'));

  test('stopped, killed and resumed ends in the weights of a run that never stopped', async () => {
    const [whole, stopped] = [join(folder, 'whole'), join(folder, 'stopped')];
    const resolved = resolveRecipe(sft, recipe());
    assert.equal(await startRun(sft, resolved, { folder: whole, device }), 'completed');
    const events = readEvents(join(whole, 'events.jsonl'), sft.events);
    const started = events.find((event) => event.event === 'started');
    const steps = started?.event === 'started' ? started.steps : 0;
    assert.deepEqual(
      readSteps(whole).map(([step]) => step),
      Array.from({ length: steps }, (_, i) => i + 1),
    );
    const losses = events.flatMap((event) => (event.event === 'evaluated' ? [event.loss] : []));
    assert.ok(losses[losses.length - 1] < 0.9 * losses[0], `${losses}`);
    const stopping = new AbortController();
    const listen = (event: SftEvent) => event.event === 'step' && event.step === 5 && stopping.abort();
    const options = { folder: stopped, device, signal: stopping.signal, listen };
    assert.equal(await startRun(sft, resolved, options), 'stopped');
    rmSync(checkpoint(stopped, 5), { recursive: true }); // killed after step 3 had been saved
    assert.equal(await resumeRun(sft, { folder: stopped, device }), 'completed');
    assert.ok(readWeights(whole, steps).equals(readWeights(stopped, steps)));
    assert.deepEqual(readSteps(stopped), readSteps(whole));
    const lineage = readLineage(whole);
    assert.deepEqual([lineage?.kind, lineage?.status, lineage?.data?.documents], ['sft', 'completed', 40]);
    assert.equal(loadTokenizer(checkpoint(whole, steps)).chatTemplate?.text, turns);
    writeFileSync(data, `${readFileSync(data, 'utf8')}\n`);
    await assert.rejects(resumeRun(sft, { folder: stopped, device }), /is not what the checkpoint learned from/);
  });

  test('conversations come from generators too; the lineage names them', async () => {
    const printable = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('');
    const own = await writeModel('talker', turns, printable.replace('.', ''));
    const generated = { conversations: 'greetings', count: 12 } as const;
    const resolved = resolveRecipe(sft, {
      ...recipe(),
      model: own,
      data: [generated],
      microBatchTokens: 256,
      epochs: 1,
    });
    const run = join(folder, 'generated');
    assert.equal(await startRun(sft, resolved, { folder: run, device }), 'completed');
    const learned = readLineage(run)?.data;
    assert.deepEqual(
      [learned?.documents, learned?.sources.map(({ name }) => name)],
      [12, ['conversations: greetings']],
    );
  });

  test('what cannot be run is refused, and leaves no run', async () => {
    const refused = { folder: join(folder, 'refused'), device };
    const start = (changes: Partial<SftRecipe>) =>
      startRun(sft, resolveRecipe(sft, { ...recipe(), ...changes }), refused);
    await assert.rejects(start({ model: folder }), /has no config\.json/);
    await assert.rejects(start({ microBatchTokens: 4 }), /none of 40 conversations can be learned/);
    assert.throws(() => resolveRecipe(sft, { model }), /data: .*expected array/);
  });

  test('minke sft, as a user runs it', async () => {
    const bare = await writeModel('bare');
    const main = join(packageRoot(), 'dist/src/cli/main.js');
    const run = join(folder, 'cli');
    const set = ['epochs=1', 'batchSize=8', 'microBatchTokens=64'];
    const args = ['sft', '--model', bare, '--data', data, '--run', run, '--set', ...set];
    const { status, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    assert.match(stderr, /validation loss/);
    const last = readLineage(run);
    assert.deepEqual([last?.kind, last?.status], ['sft', 'completed']);
    const { chatTemplate } = loadTokenizer(checkpoint(run, last?.steps ?? 0));
    assert.match(chatTemplate?.text ?? '', /User: .*Assistant: <think>/s, "a base without a template gets minke's");
  });
});

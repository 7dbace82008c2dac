// The objective against a plain cross-entropy, an interface that throttles, fails and answers rubbish, whole runs that
// resume. npm test -- src/distill
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { completion, type Reply, startApi } from '../eval/test-completion-api.ts';
import { type Device, openDevice } from '../kernels/index.ts';
import { exportWeights, writeCheckpoint } from '../model/checkpoint/index.ts';
import {
  createModel,
  initialWeights,
  type ModelConfig,
  precisions,
  preset,
  readConfig,
  writeConfig,
} from '../model/index.ts';
import { openTask, toPrompt } from '../tasks/index.ts';
import * as t from '../tensor/index.ts';
import { characterTokenizer, saveTokenizer } from '../tokenizer/index.ts';
import { packed, readEvents, sequenceInputs, TrainStep } from '../train/index.ts';
import { type DistilRecipe, resolveDistil } from './config.ts';
import { distil, resumeDistilling } from './distil.ts';
import { distilEventSchema } from './events.ts';
import { lessonsOfStep } from './lessons.ts';
import { lessonSequences, SftObjective } from './sft-objective.ts';
import { openTeacher } from './teacher.ts';
import { collectTraces, readTraces } from './traces.ts';

let device: Device;
let folder: string;
before(() => {
  device = openDevice();
  t.useDevice(device);
  folder = mkdtempSync(join(tmpdir(), 'minke-distil-'));
});
after(async () => {
  rmSync(folder, { recursive: true });
  await device.close();
});

const config = preset('nano', { vocabSize: 40 });
const adamw = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0, maxGradNorm: 1e9, moments: 'f32' } as const;

test('the loss and its gradient are those of a plain cross-entropy on the tokens of the responses', async () => {
  const weights = initialWeights(config, 1, device);
  for (const weight of weights.values()) t.keep(weight);
  const model = createModel(config, weights, 64);
  const lessons = [5, 9, 3].map((length, i) => ({
    prompt: Int32Array.of(3, 4 + i, 5),
    response: Int32Array.from({ length }, (_, j) => (i * 11 + j * j * 7 + 3) % 40),
  }));
  const shape = { tokens: 16, sequences: 3, longest: 16, columns: 1 };
  const step = new TrainStep(config, weights, adamw, 'sum', new SftObjective(model, shape, precisions.f32));
  const bins = packed(lessonSequences(lessons), shape);
  assert.equal(bins.length, 2, 'sums go over micro-batches');
  const trained = [...weights].filter(([name]) => !name.endsWith('e_score_correction_bias')).map(([, w]) => w);
  await t.asyncScope(async (inside) => {
    // One sequence at a time, without columns: means over each, weighed by their lengths.
    const plain = inside(() =>
      t.valueAndGrad(() => {
        const terms = lessons.map(({ prompt, response }) => {
          const ids = [...prompt, ...response].slice(0, -1);
          const targets = [...ids.slice(1), response.at(-1) as number].map((id, i) => (i < 2 ? t.ignoreIndex : id));
          const T = ids.length;
          const i32 = (values: Iterable<number>, n: number) => t.fromArray(Int32Array.from(values), [n], { device });
          const sequences = { queryStart: i32([0, T], 2), maxQueries: T };
          const { out } = model.forward(
            { ids: i32(ids, T), positions: i32(ids.keys(), T), sequences },
            { policy: precisions.f32 },
          );
          return t.scale(t.sum(t.logprobs(out, model.unpackedHead, i32(targets, T)).logprobs), -1 / 17);
        });
        return terms.reduce((sum, term) => t.add(sum, term));
      }, trained),
    );
    const parts = bins.map((bin) => inside(() => step.gradients(sequenceInputs(bin, shape, device))));
    for (const [i, expected] of plain.gradients.entries()) {
      const wanted = await expected.read();
      const found = await Promise.all(parts.map((gradients) => gradients[i].read()));
      wanted.forEach((value, j) => {
        const sum = found.reduce((total, part) => total + part[j], 0);
        assert.ok(Math.abs(sum - value) <= 1e-5, `${i} ${j}: ${sum} is not ${value}`);
      });
    }
    const loss = (await plain.value.read())[0];
    const fresh = new TrainStep(config, weights, adamw, 'sum', new SftObjective(model, shape, precisions.f32));
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

test('every epoch holds every lesson once, in an order of its own', () => {
  const lessons = Array.from({ length: 7 }, (_, i) => ({ prompt: [i], response: [i] }));
  const epochs = [0, 1].map((epoch) =>
    [1, 2, 3].flatMap((s) => lessonsOfStep(lessons, epoch * 3 + s, { batch: 3, seed: 5 }).map((l) => l.prompt[0])),
  );
  for (const order of epochs) assert.deepEqual([...order].sort(), [0, 1, 2, 3, 4, 5, 6]);
  assert.notDeepEqual(epochs[0], epochs[1]);
});

/** What a prompt's answer is, by the task itself. */
async function solutionsOf(seed: number, count: number): Promise<Map<string, string>> {
  const task = await openTask('countdown');
  const places = Array.from({ length: count }, (_, index) => ({ seed, index, difficulty: 2, split: 'train' }) as const);
  const problems = await task.problems(places);
  const solutions = await task.solutions(problems);
  await task.close();
  return new Map(problems.map(({ prompt }, i) => [toPrompt('short', prompt).join(''), solutions[i] as string]));
}

const right = (answer: string, thought = '1+2') => `${thought}\n</think>\n<answer>${answer}</answer>`;

const asking = (teacher: string, changed: Partial<DistilRecipe> = {}): DistilRecipe => ({
  student: 'none',
  teacher,
  tasks: [{ task: 'countdown', difficulty: 2 }],
  seed: 9,
  traces: { wanted: 100, problems: 6, samples: 1, parallel: 2 },
  api: { attempts: 4, waitMs: 1 },
  ...changed,
});

describe('an interface as a teacher', () => {
  test('it throttles, fails, hangs up, answers rubbish and then right: exactly the right traces are kept', async () => {
    const solutions = await solutionsOf(9, 6);
    const order = [...solutions.keys()];
    const broken = order[4];
    let isBroken = true;
    const server = await startApi((prompt, nth) => {
      const answer = solutions.get(prompt) as string;
      const failures = [
        { status: 429, body: 'slow down' },
        { status: 503, body: 'no' },
        { body: '', hangUp: true },
      ];
      if (prompt === broken && isBroken) return { status: 500, body: 'broken' };
      if (prompt === order[0] && nth < 3) return failures[nth] as Reply;
      if (prompt === order[1]) return { body: '<html>rubbish' };
      if (prompt === order[2]) return completion(right('1+1+1+1'));
      if (prompt === order[3]) return completion(right(answer), 'length');
      return completion(right(answer));
    });
    const own = join(folder, 'api');
    mkdirSync(own);
    const config = resolveDistil(asking(server.url));
    const faults: string[] = [];
    const collect = async () => {
      const teacher = await openTeacher(config, device);
      return collectTraces(own, config, teacher, { fault: (message) => faults.push(message) });
    };
    const first = await collect();
    assert.deepEqual([first.done, first.problems, first.rejected], [2, 5, 3]);
    assert.equal(faults.length, 1);
    assert.match(faults[0], /problem 4 is skipped: .*answered 500: broken/);
    assert.deepEqual(new Set(readTraces(own).map(({ prompt }) => prompt.join(''))), new Set([order[0], order[5]]));
    // A second call asks only what was not answered; a line that a crash cut off is dropped.
    writeFileSync(join(own, 'traces.jsonl'), `${readFileSync(join(own, 'traces.jsonl'), 'utf8')}{"prompt":"cut`);
    isBroken = false;
    server.prompts.length = 0;
    const second = await collect();
    assert.deepEqual(server.prompts, [broken]);
    assert.equal(second.done, 3);
    const traces = readTraces(own);
    assert.deepEqual(traces.map(({ prompt }) => order.indexOf(prompt.join(''))).sort(), [0, 4, 5]);
    const {
      key: _,
      prompt: __,
      ...kept
    } = traces.find(({ prompt }) => prompt.join('') === broken) as (typeof traces)[0];
    assert.deepEqual(kept, {
      response: right(solutions.get(broken) as string),
      task: 'countdown',
      teacher: `default at ${new URL(server.url).host}`,
    });
    await server.close();
  });

  test('the same text is kept once, and no more of a problem than were asked for', async () => {
    const solutions = await solutionsOf(9, 3);
    const thoughts = ['a', 'a', 'b', 'c', 'd'];
    const server = await startApi((prompt, nth) => completion(right(solutions.get(prompt) as string, thoughts[nth])));
    const own = join(folder, 'alike');
    mkdirSync(own);
    const traces = { wanted: 100, problems: 3, samples: 5, perProblem: 3, parallel: 1 };
    process.env.MINKE_TEST_KEY = 'sesame';
    const config = resolveDistil(asking(server.url, { traces, api: { keyVariable: 'MINKE_TEST_KEY' } }));
    const { done } = await collectTraces(own, config, await openTeacher(config, device));
    assert.equal(done, 9);
    assert.deepEqual([...server.keys], ['Bearer sesame']);
    assert.doesNotMatch(JSON.stringify(config), /sesame/);
    assert.equal(new Set(readTraces(own).map(({ prompt, response }) => prompt.join('') + response)).size, 9);
    await server.close();
  });

  test('when there are enough, what is still asked is given up', async () => {
    const solutions = await solutionsOf(9, 40);
    const [first] = solutions.keys();
    // Only the first problem is ever answered.
    const server = await startApi((prompt) =>
      prompt === first ? completion(right(solutions.get(prompt) as string)) : null,
    );
    const own = join(folder, 'enough');
    mkdirSync(own);
    const config = resolveDistil(asking(server.url, { traces: { wanted: 1, samples: 1, parallel: 4 } }));
    const { done, problems } = await collectTraces(own, config, await openTeacher(config, device));
    assert.deepEqual([done, problems], [1, 1]);
    await server.close();
  });

  test('a teacher that is gone, or refuses the key, ends the collection with a reason', async () => {
    const own = join(folder, 'gone');
    mkdirSync(own);
    const server = await startApi(() => ({ status: 401, body: 'who are you' }));
    const traces = { wanted: 10, samples: 1, parallel: 2 };
    const refused = resolveDistil(asking(server.url, { traces }));
    await assert.rejects(
      collectTraces(own, refused, await openTeacher(refused, device)),
      /answered 401: who are you.*MINKE_TEACHER_KEY/,
    );
    await server.close();
    const gone = resolveDistil(asking(server.url, { traces, api: { attempts: 1 } }));
    const teacher = await openTeacher(gone, device);
    await assert.rejects(collectTraces(own, gone, teacher), /8 problems in a row could not be asked/);
  });
});

describe('a run', () => {
  const characters = [...new Set('User: Make from. Assistant<think>/answer0123456789+-*=,\n()?;')].join('');

  const dense = {
    hidden_size: 64,
    intermediate_size: 128,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    tie_word_embeddings: true,
  };

  async function base(family: 'llama' | 'qwen2' | 'deepseek'): Promise<string> {
    const path = join(folder, family);
    const json = characterTokenizer(characters, { specialTokens: ['<end>'] });
    const fields: object = family === 'deepseek' ? writeConfig(config) : { model_type: family, ...dense };
    const sizes = { vocab_size: 1 + characters.length, max_position_embeddings: 256 };
    const own: ModelConfig = readConfig({ ...fields, ...sizes });
    const weights = initialWeights(own, 4, device);
    await writeCheckpoint(path, writeConfig(own), exportWeights(own, weights, 'f32'), { shardBytes: 1e9 });
    for (const weight of weights.values()) weight.dispose();
    saveTokenizer(path, json, { eos_token: '<end>' });
    return path;
  }

  const recipe = (student: string, teacher: string): DistilRecipe => ({
    student,
    teacher,
    tasks: [{ task: 'countdown', difficulty: 2 }],
    seed: 9,
    epochs: 2,
    batch: 3,
    traces: { wanted: 5, problems: 6, samples: 1, parallel: 1 },
    microBatchTokens: 256,
    learningRate: 1e-3,
    warmupSteps: 1,
    saveEvery: 2,
    evaluateEvery: 3,
    evaluation: { problems: 2, samples: 2 },
  });

  test('stopped twice and resumed ends in the weights of a run that never stopped', async () => {
    const student = await base('qwen2');
    const solutions = await solutionsOf(9, 6);
    const server = await startApi((prompt) => completion(right(solutions.get(prompt) as string)));
    const resolved = resolveDistil(recipe(student, server.url));
    const whole = join(folder, 'whole');
    assert.equal(await distil(resolved, { folder: whole, device }), 'completed');
    await assert.rejects(distil(resolved, { folder: whole, device }), /holds a run already/);
    assert.equal(server.prompts.length, 5);
    const stopped = join(folder, 'stopped');
    const until = async (isThere: (event: { event: string; step?: number; done?: number }) => boolean) => {
      const stopping = new AbortController();
      const listen = (event: Parameters<typeof isThere>[0]) => isThere(event) && stopping.abort();
      return { folder: stopped, device, signal: stopping.signal, listen };
    };
    assert.equal(await distil(resolved, await until(({ done }) => done === 3)), 'stopped');
    assert.equal(await resumeDistilling(await until(({ event, step }) => event === 'step' && step === 2)), 'stopped');
    assert.equal(await resumeDistilling({ folder: stopped, device }), 'completed');
    assert.equal(server.prompts.length, 10, 'nothing was asked twice');
    await server.close();
    const weightsOf = (run: string) => readFileSync(join(run, 'checkpoints', 'step-00000004', 'model.safetensors'));
    assert.ok(weightsOf(whole).equals(weightsOf(stopped)));
    const lossesOf = (run: string) =>
      readEvents(join(run, 'events.jsonl'), distilEventSchema).flatMap((e) => (e.event === 'step' ? [e.loss] : []));
    assert.equal(lossesOf(whole).length, 4);
    assert.deepEqual(lossesOf(stopped), lossesOf(whole));
    const examinedIn = (run: string) =>
      readEvents(join(run, 'events.jsonl'), distilEventSchema).flatMap((event) => {
        if (event.event !== 'evaluated') return [];
        const { time: _, ...examined } = event;
        return [examined];
      });
    assert.deepEqual(
      examinedIn(whole).map(({ step, task, difficulty, problems }) => [step, task, difficulty, problems]),
      [0, 3, 4].map((step) => [step, 'countdown', 2, 2]),
    );
    assert.deepEqual(examinedIn(stopped), examinedIn(whole), 'the same problems, the same chance');
    const { kind, status, teachers, parents } = JSON.parse(readFileSync(join(whole, 'lineage.json'), 'utf8'));
    assert.deepEqual([kind, status, parents.length, teachers.length], ['distillation', 'completed', 1, 1]);
    const tokens = readTraces(whole).reduce((sum, { response }) => sum + response.length, 0);
    // Answers alone, from the traces that are there.
    const answers = join(folder, 'answers');
    const again = resolveDistil({ student, learn: 'answer', traces: { from: whole }, epochs: 1, batch: 5 });
    assert.equal(await distil(again, { folder: answers, device }), 'completed');
    const [training] = readEvents(join(answers, 'events.jsonl'), distilEventSchema).filter(
      (e) => e.event === 'training',
    );
    const answerTokens = readTraces(whole).reduce((sum, { response }) => sum + 1 + response.length - 4, 0);
    assert.equal(training?.event === 'training' && training.tokens, answerTokens);
    assert.deepEqual(JSON.parse(readFileSync(join(answers, 'lineage.json'), 'utf8')).teachers, teachers);
    assert.deepEqual(teachers[0], { name: `default at ${new URL(server.url).host}`, weights: null, tokens });
  });

  test('a checkpoint teaches through the engine; one that knows nothing leaves nothing to learn', async () => {
    const student = await base('deepseek');
    const own = join(folder, 'local');
    const resolved = resolveDistil({
      ...recipe(student, student),
      traces: { wanted: 2, problems: 2, samples: 2, maxTokens: 8 },
    });
    await assert.rejects(distil(resolved, { folder: own, device }), /none of 0 can be learned/);
    const events = readEvents(join(own, 'events.jsonl'), distilEventSchema);
    const alarms = events.flatMap((event) => (event.event === 'alarm' ? [event.message] : []));
    assert.deepEqual(alarms, ['2 problems gave 0 traces of 2: the run goes on with these']);
    const lineage = JSON.parse(readFileSync(join(own, 'lineage.json'), 'utf8'));
    assert.equal(lineage.status, 'failed');
    assert.match(lineage.teachers[0].weights, /^[0-9a-f]{64}$/);
  });

  test('a student that has learned teaches the next, of another family, through the engine', async () => {
    const [llama, deepseek] = [await base('llama'), await base('deepseek')];
    const solutions = await solutionsOf(9, 3);
    const server = await startApi((prompt) => completion(right(solutions.get(prompt) as string)));
    const traces = { wanted: 3, problems: 3, samples: 1, parallel: 1 };
    const every = { saveEvery: 1000, evaluateEvery: 1000 };
    const learning = { ...recipe(llama, server.url), ...every, traces, epochs: 150, learningRate: 3e-3 };
    const first = join(folder, 'first');
    await distil(resolveDistil(learning), { folder: first, device });
    await server.close();
    const teacher = join(first, 'checkpoints', 'step-00000150');
    const second = join(folder, 'second');
    const next = { ...recipe(deepseek, teacher), traces: { ...traces, temperature: 0, parallel: 2 }, epochs: 1 };
    assert.equal(await distil(resolveDistil(next), { folder: second, device }), 'completed');
    const texts = (run: string) => readTraces(run).map(({ prompt, response }) => prompt.join('') + response);
    assert.deepEqual(texts(second).sort(), texts(first).sort());
  });

  test('what cannot be run is refused before anything is asked', async () => {
    const student = await base('deepseek');
    const refused = { folder: join(folder, 'refused'), device };
    const plain = recipe(student, 'nowhere');
    await assert.rejects(distil(resolveDistil(plain), refused), /nowhere.*no such teacher/);
    await assert.rejects(distil(resolveDistil({ ...plain, student: folder }), refused), /has no config\.json/);
    await assert.rejects(
      distil(resolveDistil({ ...plain, teacher: student, tasks: [{ task: 'chess' }] }), refused),
      /chess/,
    );
    await assert.rejects(distil(resolveDistil({ ...plain, traces: { from: folder } }), refused), /no traces\.jsonl/);
    assert.equal(existsSync(refused.folder), false);
    await assert.rejects(resumeDistilling({ folder, device }), /holds no run/);
    assert.throws(() => resolveDistil({ student }), /expected a teacher and a task/);
    assert.throws(() => resolveDistil({ ...plain, epochs: 0, extra: 1 }), /epochs.*extra/s);
  });
});

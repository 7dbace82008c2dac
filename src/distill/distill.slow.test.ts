// An API that throttles, fails and answers rubbish, and whole runs that resume. npm test -- src/distill
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { completion, type Reply, startApi } from '../eval/test-completion-api.ts';
import { type Device, openDevice } from '../kernels/index.ts';
import { exportWeights, writeCheckpoint } from '../model/checkpoint/index.ts';
import { initialWeights, type ModelConfig, preset, readConfig, writeConfig } from '../model/index.ts';
import { openTask, toPrompt } from '../tasks/index.ts';
import { useDevice } from '../tensor/index.ts';
import { characterTokenizer, saveTokenizer } from '../tokenizer/index.ts';
import { readEvents, resolveRecipe, resumeRun, startRun } from '../train/index.ts';
import { distill } from './distill.ts';
import type { DistillRecipe } from './distill-recipe.ts';
import { openTeacher } from './teacher.ts';
import { collectTraces, readTraces } from './traces.ts';

let device: Device;
let folder: string;
before(() => {
  device = openDevice();
  useDevice(device);
  folder = mkdtempSync(join(tmpdir(), 'minke-distil-'));
});
after(async () => {
  rmSync(folder, { recursive: true });
  await device.close();
});

const config = preset('nano', { vocabSize: 40 });
/** Returns the answer to each prompt, by the task itself. */
async function readSolutions(seed: number, count: number): Promise<Map<string, string>> {
  const task = await openTask('countdown');
  const places = Array.from({ length: count }, (_, index) => ({ seed, index, difficulty: 2, split: 'train' }) as const);
  const problems = await task.problems(places);
  const solutions = await task.solutions(problems);
  await task.close();
  return new Map(problems.map(({ prompt }, i) => [toPrompt('short', prompt).join(''), solutions[i] as string]));
}

const right = (answer: string, thought = '1+2') => `${thought}\n</think>\n<answer>${answer}</answer>`;

const asking = (teacher: string, changed: Partial<DistillRecipe> = {}): DistillRecipe => ({
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
    const solutions = await readSolutions(9, 6);
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
      if (prompt === order[1] && isBroken) return { body: '<html>rubbish' };
      if (prompt === order[2]) return completion(right('1+1+1+1'));
      if (prompt === order[3]) return completion(right(answer), 'length');
      return completion(right(answer));
    });
    const own = join(folder, 'api');
    mkdirSync(own);
    const config = resolveRecipe(distill, asking(server.url));
    const faults: string[] = [];
    const collect = async () => {
      const teacher = await openTeacher(config, device);
      return collectTraces(own, config, teacher, { fault: (_, message) => faults.push(message) });
    };
    const first = await collect();
    assert.deepEqual([first.done, first.problems, first.rejected], [2, 4, 2]);
    assert.equal(faults.length, 2);
    assert.match(faults[0], /problem 1 is skipped: .*answered 200 without a completion: <html>rubbish/);
    assert.match(faults[1], /problem 4 is skipped: .*answered 500: broken/);
    assert.deepEqual(new Set(readTraces(own).map(({ prompt }) => prompt.join(''))), new Set([order[0], order[5]]));
    // A second call asks only what was not answered; a line that a crash cut off is dropped.
    writeFileSync(join(own, 'traces.jsonl'), `${readFileSync(join(own, 'traces.jsonl'), 'utf8')}{"prompt":"cut`);
    isBroken = false;
    server.prompts.length = 0;
    const second = await collect();
    assert.deepEqual(server.prompts, [order[1], broken]);
    assert.equal(second.done, 4);
    const traces = readTraces(own);
    assert.deepEqual(traces.map(({ prompt }) => order.indexOf(prompt.join(''))).sort(), [0, 1, 4, 5]);
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
    const solutions = await readSolutions(9, 3);
    const thoughts = ['a', 'a', 'b', 'c', 'd'];
    const server = await startApi((prompt, nth) => completion(right(solutions.get(prompt) as string, thoughts[nth])));
    const own = join(folder, 'alike');
    mkdirSync(own);
    const traces = { wanted: 100, problems: 3, samples: 5, perProblem: 3, parallel: 1 };
    process.env.MINKE_TEST_KEY = 'sesame';
    const config = resolveRecipe(distill, asking(server.url, { traces, api: { keyVariable: 'MINKE_TEST_KEY' } }));
    const { done } = await collectTraces(own, config, await openTeacher(config, device));
    assert.equal(done, 9);
    assert.deepEqual([...server.keys], ['Bearer sesame']);
    assert.doesNotMatch(JSON.stringify(config), /sesame/);
    assert.equal(new Set(readTraces(own).map(({ prompt, response }) => prompt.join('') + response)).size, 9);
    await server.close();
  });

  test('a teacher that is hardly ever right ends the collection, also of a later session', async () => {
    const solutions = await readSolutions(9, 40);
    const names = [...solutions.keys()];
    const isRight = (prompt: string) => names.indexOf(prompt) % 16 === 1;
    const server = await startApi((prompt) =>
      completion(right(isRight(prompt) ? (solutions.get(prompt) as string) : '1')),
    );
    const own = join(folder, 'poor');
    mkdirSync(own);
    const traces = { wanted: 100, problems: 40, samples: 8, perProblem: 1, parallel: 1 };
    const collect = async (minAcceptance: number) => {
      const config = resolveRecipe(distill, { ...asking(server.url, { traces }), minAcceptance });
      return collectTraces(own, config, await openTeacher(config, device));
    };
    // 2 of the first 32 problems, 16 of 256 answers.
    await assert.rejects(
      collect(0.07),
      /6\.3 % of its 256 answers are correct and well-formed, at least 7\.0 % must be.*; train .*; 2 traces are kept/,
    );
    assert.equal(server.prompts.length, 256);
    await assert.rejects(collect(0.07), /6\.1 % of its 264 answers/);
    assert.equal((await collect(0.05)).problems, 40);
    await server.close();
  });

  test('traces are written in the order of their problems, whatever comes first', async () => {
    const solutions = await readSolutions(9, 12);
    const order = [...solutions.keys()];
    const waiting: (() => void)[] = [];
    const server = await startApi(
      (prompt) => completion(right(solutions.get(prompt) as string)),
      // The first problem is answered last of those that are asked beside it.
      (prompt) => new Promise((go) => (prompt === order[0] ? waiting.push(go) : go())),
    );
    const own = join(folder, 'ordered');
    mkdirSync(own);
    const traces = { wanted: 7, problems: 12, samples: 1, parallel: 2 };
    const config = resolveRecipe(distill, asking(server.url, { traces }));
    const collecting = collectTraces(own, config, await openTeacher(config, device));
    // Four problems, for each of the two that are asked at once, may wait for the first.
    while (server.prompts.length < 8) await sleep(5);
    assert.equal(readTraces(own).length, 0);
    for (const go of waiting) go();
    await collecting;
    assert.deepEqual(
      readTraces(own).map(({ prompt }) => order.indexOf(prompt.join(''))),
      [0, 1, 2, 3, 4, 5, 6],
    );
    await server.close();
  });

  test('a grader that fails is told with its problem; too many end the collection, and are asked again', async () => {
    const file = join(folder, 'moody.mjs');
    const write = (grade: string) =>
      writeFileSync(
        file,
        `export const task = { name: 'moody', description: 'fails', difficulty: { from: 1, to: 1, default: 1 },
          problem: (random) => { const n = random.whole(1, 99999); return { prompt: 'Say ' + n, key: String(n) }; },
          grade: (problem, answer) => ${grade} };`,
      );
    const server = await startApi((prompt) => completion(right(/Say (\d+)/.exec(prompt)?.[1] as string)));
    const own = join(folder, 'moody');
    mkdirSync(own);
    const traces = { wanted: 9, problems: 9, samples: 1, parallel: 2 };
    const config = resolveRecipe(distill, asking(server.url, { tasks: [{ task: file }], traces }));
    const faults: string[] = [];
    const collect = async () =>
      collectTraces(own, config, await openTeacher(config, device), {
        fault: (cause, message) => faults.push(`${cause}: ${message}`),
      });
    write("{ throw new Error('not today'); }");
    await assert.rejects(
      collect(),
      /9 of 9 answers got no verdict, at most 5 % may: the grader of moody failed: it threw/,
    );
    assert.equal(faults.length, 5);
    assert.match(faults[0], /^grader: .*it threw "not today"; the problem was "Say \d+", the answer "\d+"/);
    write("({ correct: answer === problem.key, reason: '' })");
    assert.equal((await collect()).done, 9);
    await server.close();
  });

  test('when there are enough, what is still asked is given up', async () => {
    const solutions = await readSolutions(9, 40);
    const [first] = solutions.keys();
    // Only the first problem is ever answered.
    const server = await startApi((prompt) =>
      prompt === first ? completion(right(solutions.get(prompt) as string)) : null,
    );
    const own = join(folder, 'enough');
    mkdirSync(own);
    const config = resolveRecipe(distill, asking(server.url, { traces: { wanted: 1, samples: 1, parallel: 4 } }));
    const { done, problems } = await collectTraces(own, config, await openTeacher(config, device));
    assert.deepEqual([done, problems], [1, 1]);
    await server.close();
  });

  test('a teacher that is gone, or refuses the key, ends the collection with a reason', async () => {
    const own = join(folder, 'gone');
    mkdirSync(own);
    const server = await startApi(() => ({ status: 401, body: 'who are you' }));
    const traces = { wanted: 10, samples: 1, parallel: 2 };
    const refused = resolveRecipe(distill, asking(server.url, { traces }));
    await assert.rejects(
      collectTraces(own, refused, await openTeacher(refused, device)),
      /answered 401: who are you.*MINKE_TEACHER_KEY/,
    );
    await server.close();
    const once = (url: string) => resolveRecipe(distill, asking(url, { traces, api: { attempts: 1 } }));
    const gone = once(server.url);
    await assert.rejects(collectTraces(own, gone, await openTeacher(gone, device)), /cannot be reached .*ECONNREFUSED/);
    const broken = await startApi(() => ({ status: 500, body: 'no' }));
    const ill = once(broken.url);
    await assert.rejects(
      collectTraces(own, ill, await openTeacher(ill, device)),
      /8 problems in a row could not be asked: .*answered 500/,
    );
    await broken.close();
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

  const recipe = (student: string, teacher: string): DistillRecipe => ({
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
    const solutions = await readSolutions(9, 6);
    const server = await startApi((prompt) => completion(right(solutions.get(prompt) as string)));
    const resolved = resolveRecipe(distill, recipe(student, server.url));
    const whole = join(folder, 'whole');
    assert.equal(await startRun(distill, resolved, { folder: whole, device }), 'completed');
    await assert.rejects(startRun(distill, resolved, { folder: whole, device }), /holds a run already/);
    assert.equal(server.prompts.length, 5);
    const stopped = join(folder, 'stopped');
    const until = async (isThere: (event: { event: string; step?: number; done?: number }) => boolean) => {
      const stopping = new AbortController();
      const listen = (event: Parameters<typeof isThere>[0]) => isThere(event) && stopping.abort();
      return { folder: stopped, device, signal: stopping.signal, listen };
    };
    assert.equal(await startRun(distill, resolved, await until(({ done }) => done === 3)), 'stopped');
    assert.equal(await resumeRun(distill, await until(({ event, step }) => event === 'step' && step === 2)), 'stopped');
    assert.equal(await resumeRun(distill, { folder: stopped, device }), 'completed');
    assert.equal(server.prompts.length, 10, 'nothing was asked twice');
    await server.close();
    const readWeights = (run: string) => readFileSync(join(run, 'checkpoints', 'step-00000004', 'model.safetensors'));
    assert.ok(readWeights(whole).equals(readWeights(stopped)));
    const readLosses = (run: string) =>
      readEvents(join(run, 'events.jsonl'), distill.events).flatMap((e) => (e.event === 'step' ? [e.loss] : []));
    assert.equal(readLosses(whole).length, 4);
    assert.deepEqual(readLosses(stopped), readLosses(whole));
    const readEvaluations = (run: string) =>
      readEvents(join(run, 'events.jsonl'), distill.events).flatMap((event) => {
        if (event.event !== 'evaluated') return [];
        const { time: _, ...evaluation } = event;
        return [evaluation];
      });
    assert.deepEqual(
      readEvaluations(whole).map(({ step, task, difficulty, problems }) => [step, task, difficulty, problems]),
      [0, 3, 4].map((step) => [step, 'countdown', 2, 2]),
    );
    assert.deepEqual(readEvaluations(stopped), readEvaluations(whole), 'the same problems, the same chance');
    const { kind, status, teachers, parents } = JSON.parse(readFileSync(join(whole, 'lineage.json'), 'utf8'));
    assert.deepEqual([kind, status, parents.length, teachers.length], ['distill', 'completed', 1, 1]);
    const tokens = readTraces(whole).reduce((sum, { response }) => sum + response.length, 0);
    // Answers alone, from the traces that are there.
    const answers = join(folder, 'answers');
    const again = resolveRecipe(distill, { student, learn: 'answer', traces: { from: whole }, epochs: 1, batch: 5 });
    assert.equal(await startRun(distill, again, { folder: answers, device }), 'completed');
    const [training] = readEvents(join(answers, 'events.jsonl'), distill.events).filter((e) => e.event === 'training');
    const answerTokens = readTraces(whole).reduce((sum, { response }) => sum + 1 + response.length - 4, 0);
    assert.equal(training?.event === 'training' && training.tokens, answerTokens);
    assert.deepEqual(JSON.parse(readFileSync(join(answers, 'lineage.json'), 'utf8')).teachers, teachers);
    const name = `default at ${new URL(server.url).host}`;
    assert.deepEqual(teachers[0], { name, weights: null, tokens, record: null });
  });

  test('a checkpoint teaches through the engine; one that knows nothing leaves nothing to learn', async () => {
    const student = await base('deepseek');
    const own = join(folder, 'local');
    const resolved = resolveRecipe(distill, {
      ...recipe(student, student),
      traces: { wanted: 2, problems: 2, samples: 2, maxTokens: 8 },
    });
    await assert.rejects(startRun(distill, resolved, { folder: own, device }), /none of 0 can be learned/);
    const events = readEvents(join(own, 'events.jsonl'), distill.events);
    const alarms = events.flatMap((event) => (event.event === 'alarm' ? [event.message] : []));
    assert.deepEqual(alarms, ['2 problems gave 0 traces of 2: the run continues with these']);
    const lineage = JSON.parse(readFileSync(join(own, 'lineage.json'), 'utf8'));
    assert.equal(lineage.status, 'failed');
    assert.match(lineage.teachers[0].weights, /^[0-9a-f]{64}$/);
  });

  test('a student that has learned teaches the next, of another family, through the engine', async () => {
    const [llama, deepseek] = [await base('llama'), await base('deepseek')];
    const solutions = await readSolutions(9, 3);
    const server = await startApi((prompt) => completion(right(solutions.get(prompt) as string)));
    const traces = { wanted: 3, problems: 3, samples: 1, parallel: 1 };
    const every = { saveEvery: 1000, evaluateEvery: 1000 };
    const learning = { ...recipe(llama, server.url), ...every, traces, epochs: 150, learningRate: 3e-3 };
    const first = join(folder, 'first');
    await startRun(distill, resolveRecipe(distill, learning), { folder: first, device });
    await server.close();
    const teacher = join(first, 'checkpoints', 'step-00000150');
    const second = join(folder, 'second');
    const next = { ...recipe(deepseek, teacher), traces: { ...traces, temperature: 0, parallel: 2 }, epochs: 1 };
    assert.equal(await startRun(distill, resolveRecipe(distill, next), { folder: second, device }), 'completed');
    const texts = (run: string) => readTraces(run).map(({ prompt, response }) => prompt.join('') + response);
    assert.deepEqual(texts(second).sort(), texts(first).sort());
  });

  test('what cannot be run is refused before anything is asked', async () => {
    const student = await base('deepseek');
    const refused = { folder: join(folder, 'refused'), device };
    const plain = recipe(student, 'nowhere');
    await assert.rejects(startRun(distill, resolveRecipe(distill, plain), refused), /nowhere.*no such teacher/);
    await assert.rejects(
      startRun(distill, resolveRecipe(distill, { ...plain, student: folder }), refused),
      /has no config\.json/,
    );
    await assert.rejects(
      startRun(distill, resolveRecipe(distill, { ...plain, teacher: student, tasks: [{ task: 'chess' }] }), refused),
      /chess/,
    );
    await assert.rejects(
      startRun(distill, resolveRecipe(distill, { ...plain, traces: { from: folder } }), refused),
      /no traces\.jsonl/,
    );
    assert.equal(existsSync(refused.folder), false);
    await assert.rejects(resumeRun(distill, { folder, device }), /holds no run/);
    assert.throws(() => resolveRecipe(distill, { student }), /expected a teacher and a task/);
    assert.throws(() => resolveRecipe(distill, { ...plain, epochs: 0, extra: 1 }), /epochs.*extra/s);
  });
});

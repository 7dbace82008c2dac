// Advantages and weights by hand, packing, what goes wrong in words, whole runs that resume. npm test -- src/rl
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { encodePrompt } from '../corpus/index.ts';
import { chatPrompt } from '../engine/index.ts';
import { type Device, openDevice } from '../kernels/index.ts';
import { toChatTemplate, toPrompt } from '../tasks/index.ts';
import * as t from '../tensor/index.ts';
import { ChatTemplate, loadTokenizer } from '../tokenizer/index.ts';
import { pack, readEvents, resolveRecipe, resumeRun, startRun } from '../train/index.ts';
import { computeAdvantages, countVerificationPhrases, tokenWeights } from './batch.ts';
import { cutOff } from './collect.ts';
import { Diagnosis } from './diagnosis.ts';
import { rl } from './rl.ts';
import type { RlRecipe } from './rl-recipe.ts';
import { close, shape, shortRun, trainFormattedModel } from './test-model.ts';

let device: Device;
let folder: string;
before(() => {
  device = openDevice();
  t.useDevice(device);
  folder = mkdtempSync(join(tmpdir(), 'minke-rl-'));
});
after(async () => {
  rmSync(folder, { recursive: true });
  await device.close();
});

describe('advantages and weights', () => {
  test('GRPO: one right answer of four', () => {
    // mean 1/4, deviation sqrt(3)/4
    close(computeAdvantages([1, 0, 0, 0], 'deviation'), [Math.sqrt(3), ...Array(3).fill(-1 / Math.sqrt(3))]);
    close(computeAdvantages([1, 0, 0, 0], 'none'), [0.75, -0.25, -0.25, -0.25]);
  });

  test('groups whose rewards are alike say nothing, whatever rounding does to their mean', () => {
    for (const reward of [0, 0.1, 1, 1.1])
      assert.deepEqual(computeAdvantages(Array(7).fill(reward), 'deviation'), Array(7).fill(0));
  });

  test('what a token weighs', () => {
    const size = { responses: 2, tokens: 10, longest: 16 };
    close(tokenWeights([2, 8], 'response', size), [1 / 4, 1 / 16]);
    close(tokenWeights([2, 8], 'token', size), [1 / 10, 1 / 10]);
    close(tokenWeights([2, 8], 'constant', size), [1 / 32, 1 / 32]);
  });
});

describe('packing', () => {
  test('every sequence is in one micro-batch, none too full', () => {
    const sequence = (length: number) => ({ ids: new Int32Array(length), promptLength: 3, columns: {} });
    const all = [4, 9, 20, 24, 5, 13, 4, 4, 4, 4].map(sequence);
    const bins = pack(all, shape);
    assert.equal(new Set(bins.flat()).size, all.length);
    for (const bin of bins) {
      assert.ok(bin.length <= shape.sequences);
      assert.ok(bin.reduce((sum, { ids }) => sum + ids.length - 1, 0) <= shape.tokens);
    }
    assert.throws(() => pack([sequence(26)], shape), /26 tokens, from 2 to 25 are taken/);
  });
});

test('the template ends in the thinking, and is the chat template of what is trained', () => {
  assert.deepEqual(toPrompt('short', 'Make $& from 1.'), ['User: ', 'Make $& from 1.', '\nAssistant: <think>\n']);
  const said = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Hello' },
    { role: 'assistant', content: '\nHi!' },
    { role: 'user', content: 'Make $& from 1.' },
  ];
  for (const name of ['short', 'full'] as const) {
    const template = new ChatTemplate(toChatTemplate(name), {});
    assert.equal(template.render(said.slice(3)), toPrompt(name, 'Make $& from 1.').join(''));
    const [preamble] = toPrompt(name, '')[0].split('User: ');
    const turns = 'System: Be brief.\nUser: Hello\nAssistant: Hi!\n';
    assert.equal(template.render(said), `${preamble}${turns}User: Make $& from 1.\nAssistant: <think>\n`);
  }
  assert.equal(countVerificationPhrases('1+2=3 no\nwait, check again\nnone'), 4);
});

describe('the diagnosis', () => {
  // biome-ignore format: one line for each part of the event
  const step = {
    step: 1, reward: 1, accuracy: 0.4, format: 1, tokens: 50, tokensRight: 40, tokensWrong: 60, truncated: 0, checks: 1,
    silentGroups: 0.1, formlessGroups: 0, stoppedGroups: 0, formProblems: {}, rounds: 1, filled: 0,
    faults: 0, graded: 9, fault: null,
    loss: 0, kl: 0.01, clipped: 0, entropy: 1, mismatch: 0, bounded: 0, gradientNorm: 1, learningRate: 1, maxVio: 0.2,
    rolloutSeconds: 1, trainSeconds: 1, rolloutTokensPerSecond: 1, secondsLeft: 1,
  };
  const kindsAfter = (changed: Partial<typeof step>) => {
    const diagnosis = new Diagnosis();
    const kinds: string[] = [];
    for (let i = 0; i < 10; i++) kinds.push(...diagnosis.see(step).map(({ kind }) => kind));
    for (let i = 0; i < 12; i++) kinds.push(...diagnosis.see({ ...step, ...changed }).map(({ kind }) => kind));
    return kinds;
  };

  for (const [changed, kind] of [
    [{}, null],
    [{ mismatch: 3 }, 'mismatch'],
    [{ bounded: 2 }, 'far-tokens'],
    [{ faults: 1 }, 'grader-faults'],
    [{ rounds: 3, filled: 2 }, 'resamplings-used-up'],
    [{ rounds: 3, silentGroups: 0.6 }, null],
    [{ silentGroups: 0.9, accuracy: 0, formlessGroups: 0.6 }, 'no-signal-form'],
    [{ silentGroups: 0.9, accuracy: 0, formlessGroups: 0.3 }, 'no-signal-hard'],
    [{ silentGroups: 0.9, accuracy: 0.95 }, 'no-signal-easy'],
    [{ silentGroups: 0.9, accuracy: 0 }, 'no-signal-hard'],
    [{ tokensWrong: 120 }, 'length-in-wrong'],
    [{ entropy: 0.01 }, 'entropy-collapse'],
    [{ format: 1, accuracy: 0, tokens: 5 }, 'format-hacking'],
    [{ kl: 3 }, 'kl-runaway'],
    [{ truncated: 0.9 }, 'truncation'],
    [{ maxVio: 3 }, 'router-drift'],
  ] as const)
    test(`${kind ?? 'a healthy run'} is raised once`, () => {
      assert.deepEqual(kindsAfter(changed), kind === null ? [] : [kind]);
    });

  test('groups without signal whose cause is the form: the commonest problem and its remedy', () => {
    const collectMessages = (formProblems: Record<string, number>) => {
      const diagnosis = new Diagnosis();
      const formless = { ...step, silentGroups: 1, formlessGroups: 0.8, accuracy: 0, formProblems };
      return Array.from({ length: 10 }, () => diagnosis.see(formless)).flatMap((found) => found.map((f) => f.message));
    };
    const [closing, ...others] = collectMessages({
      'the answer is not closed': 0.2,
      '</work> stands in place of </think>': 0.6,
    });
    assert.match(closing, /80 % because .*\(60 % of responses: <\/work> stands in place of <\/think>\).*the base/);
    assert.deepEqual(others, []);
    assert.match(collectMessages({ [cutOff]: 0.9 })[0], /90 % of responses: cut off by maxTokens\): raise maxTokens;/);
  });
});

describe('a run', () => {
  let model: string;
  before(async () => {
    model = await trainFormattedModel(folder, device);
  });

  test('stopped and resumed ends in the weights of a run that never stopped; events follow the schema', async () => {
    const whole = join(folder, 'whole');
    assert.equal(await startRun(rl, resolveRecipe(rl, shortRun(model)), { folder: whole, device }), 'completed');
    const stopped = join(folder, 'stopped');
    const stopping = new AbortController();
    const outcome = await startRun(rl, resolveRecipe(rl, shortRun(model)), {
      folder: stopped,
      device,
      signal: stopping.signal,
      listen: (event) => event.event === 'step' && event.step === 2 && stopping.abort(),
    });
    assert.equal(outcome, 'stopped');
    const path = join(stopped, 'lineage.json');
    // An older folder names the kind by its former name.
    writeFileSync(path, readFileSync(path, 'utf8').replace('"kind": "rl"', '"kind": "reinforcement"'));
    assert.equal(await resumeRun(rl, { folder: stopped, device }), 'completed');
    const readWeights = (run: string) => readFileSync(join(run, 'checkpoints', 'step-00000004', 'model.safetensors'));
    assert.ok(readWeights(whole).equals(readWeights(stopped)));
    assert.ok(!readWeights(whole).equals(readFileSync(join(model, 'model.safetensors'))), 'something was learned');
    const events = readEvents(join(whole, 'events.jsonl'), rl.events);
    const steps = events.flatMap((event) => (event.event === 'step' ? [event] : []));
    assert.deepEqual(
      steps.map(({ step, mismatch }) => [step, mismatch]),
      [1, 2, 3, 4].map((step) => [step, 0]),
    );
    assert.ok(steps.some(({ silentGroups }) => silentGroups < 1));
    for (const run of [whole, stopped]) {
      const lineage = JSON.parse(readFileSync(join(run, 'lineage.json'), 'utf8'));
      assert.deepEqual([lineage.kind, lineage.status, lineage.parents.length], ['rl', 'completed', 1]);
    }
  });

  test('a run that began with another random generator is not resumed', async () => {
    const file = join(folder, 'whole', 'lineage.json');
    const text = readFileSync(file, 'utf8');
    const { generator: _, ...earlier } = JSON.parse(text);
    writeFileSync(file, JSON.stringify(earlier));
    await assert.rejects(
      resumeRun(rl, { folder: join(folder, 'whole'), device }),
      /began with another random generator/,
    );
    writeFileSync(file, text);
  });

  test('what was trained is asked in chat with the tokens of training', () => {
    const checkpoint = join(folder, 'whole', 'checkpoints', 'step-00000004');
    const loaded = loadTokenizer(checkpoint);
    const problem = 'Make 24 from 3, 8.';
    const { ids, startsThinking } = chatPrompt(loaded, [{ role: 'user', content: problem }]);
    assert.deepEqual([...ids], [...encodePrompt(loaded.tokenizer, toPrompt('short', problem))]);
    assert.equal(startsThinking, true);
  });

  test('what cannot be run is refused before the first step', async () => {
    const run = (changed: Partial<RlRecipe>) =>
      startRun(rl, resolveRecipe(rl, { ...shortRun(model), ...changed }), { folder: join(folder, 'refused'), device });
    await assert.rejects(run({ tasks: [{ task: 'chess' }] }), /chess.*countdown/);
    await assert.rejects(run({ model: folder }), /has no config\.json/);
    for (const cut of [{ topP: 0.9 }, { topK: 20 }, { minP: 0.1 }])
      assert.throws(
        () => resolveRecipe(rl, { ...shortRun(model), ...cut } as RlRecipe),
        /top[PK]|minP: rollouts sample from the whole distribution/,
      );
    assert.throws(() => resolveRecipe(rl, { ...shortRun(model), temperature: 0 }), /temperature/);
    await assert.rejects(run({ maxTokens: 250 }), /do not fit the model/);
    assert.throws(() => resolveRecipe(rl, { ...shortRun(model), groupSize: 1 }), /groupSize/);
    await assert.rejects(resumeRun(rl, { folder, device }), /holds no run/);
  });

  test('a grader that fails now and then costs its answer; one that always fails ends the run', async () => {
    const runWith = async (name: string, grade: string) => {
      const file = join(folder, `${name}.mjs`);
      writeFileSync(
        file,
        `let count = 0;
        export const task = { name: 'broken', description: 'fails', difficulty: { from: 1, to: 1, default: 1 },
          problem: (random) => {
            const [a, b] = [random.whole(10, 54), random.whole(10, 53)];
            return { prompt: 'Make ' + (a + b) + ' from ' + a + ', ' + b + '.', key: a + ' ' + b };
          },
          grade: (problem, answer) => ${grade} };`,
      );
      const recipe = {
        ...shortRun(model),
        tasks: [{ task: file }],
        steps: 2,
        groupSize: 16,
        every: { evaluate: 9, save: 9 },
      };
      const own = join(folder, name);
      const ended = await startRun(rl, resolveRecipe(rl, recipe), { folder: own, device }).catch((error) => error);
      return { ended, events: readEvents(join(own, 'events.jsonl'), rl.events) };
    };
    const verdict = "({ correct: false, reason: 'no' })";
    const rare = await runWith('rare', `{ if (++count === 12) throw new Error('once'); return ${verdict}; }`);
    assert.equal(rare.ended, 'completed');
    const alarms = rare.events.flatMap((event) => (event.event === 'alarm' ? [`${event.kind}: ${event.message}`] : []));
    assert.match(
      alarms.join('\n'),
      /grader-faults: 1 of \d+ answers got no verdict.*it threw "once"; the problem was "Make/,
    );
    const broken = await runWith('broken', "{ throw new Error('no'); }");
    assert.match(
      broken.ended.message,
      /answers got no verdict, at most 5 % may: .*it threw "no"; the problem was "Make/,
    );
    assert.equal(
      broken.events.some(({ event }) => event === 'step'),
      false,
      'nothing is learned from it',
    );
    assert.equal(broken.events.at(-1)?.event, 'ended');
  });
});

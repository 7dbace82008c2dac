// What recipes name, and what a run may use that a page or a folder starts. npm test -- runs/permission
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { z } from 'zod';
import { findNamedThings, listTextFields, type RunKind, type RunRecipe } from '../train/index.ts';
import { runKinds } from './index.ts';
import { expectPermitted, noPermission, type Permission, parseTeacher, permitResume } from './permission.ts';

const root = mkdtempSync(join(tmpdir(), 'minke-permission-'));
after(() => rmSync(root, { recursive: true }));
mkdirSync(join(root, 'own'));
mkdirSync(join(root, 'other'));
for (const file of ['own/task.js', 'other/task.js', 'own/book.txt', 'other/book.txt', 'own/gsm8k.jsonl'])
  writeFileSync(join(root, file), '');
symlinkSync(join(root, 'other'), join(root, 'own/way-out'));
const own = (name: string) => join(root, 'own', name);
const other = (name: string) => join(root, 'other', name);

const find = (name: string) => runKinds.find((kind) => kind.name === name) as RunKind;
const flags = { task: '--allow-task', teacher: '--allow-teacher', folder: '--allow-folder' };
const inOwn: Permission = { ...noPermission, folders: [join(root, 'own')] };
function check(kind: string, fields: object, permission: Permission = inOwn): void {
  const { recipe } = find(kind);
  expectPermitted(find(kind), recipe.parse(fields) as RunRecipe, permission, flags);
}

describe('the texts of a recipe', () => {
  test('each says what it names, in every kind of run', () => {
    const table = Object.fromEntries(
      runKinds.map(({ name, recipe }) => {
        const named = listTextFields(recipe).filter(({ names }) => names !== 'text');
        return [name, named.map(({ path, names }) => `${path}: ${names}`)];
      }),
    );
    assert.deepEqual(table, {
      pretrain: [
        'initial: checkpoint',
        'data.inputs.*: file',
        'data.inputs.*.workedExamples: task',
        'data.inputs.*.file: file',
        'data.inputs.*.task: task',
        'data.tokenizer: checkpoint',
      ],
      sft: ['model: checkpoint', 'data.*: file', 'data.*.task: task'],
      reward: ['model: checkpoint'],
      rl: ['model: checkpoint', 'tasks.*.task: task', 'rewardModel.model: checkpoint'],
      distill: [
        'student: checkpoint',
        'teacher: model',
        'tasks.*.task: task',
        'traces.from: run',
        'api.keyVariable: variable',
      ],
    });
  });

  test('one that does not say is found, wherever it is in a schema', () => {
    const schema = z.strictObject({
      said: z.string().meta({ names: 'text' }).default(''),
      plain: z.string().optional(),
      list: z.array(z.union([z.number(), z.strictObject({ deep: z.string().nullable() })])).default([]),
      any: z.unknown(),
      named: z.record(
        z.string(),
        z.string().transform((text) => text.trim()),
      ),
      word: z.enum(['a', 'b']),
    });
    const silent = listTextFields(schema).filter(({ names }) => names === undefined);
    assert.deepEqual(
      silent.map(({ path }) => path),
      ['plain', 'list.*.deep', 'any', 'named.*'],
    );
    const kind = { recipe: schema } as unknown as RunKind;
    const recipe = { plain: 'x' } as unknown as RunRecipe;
    assert.throws(() => expectPermitted(kind, recipe, inOwn, flags), /\[plain\] "x" may name anything; say in/);
  });

  test('words that the schema lists name nothing', () => {
    const { recipe } = find('pretrain');
    const tokenizer = (word: unknown) => findNamedThings(recipe, { data: { tokenizer: word } });
    assert.deepEqual([tokenizer('bytes'), tokenizer(512)], [[], []]);
    assert.deepEqual(tokenizer('./x'), [{ path: 'data.tokenizer', names: 'checkpoint', value: './x' }]);
  });
});

describe('a recipe of somebody else', () => {
  const rl = (task: string) => ({ model: own('base'), tasks: [{ task }] });
  const distill = (teacher: string, keyVariable = 'MINKE_TEACHER_KEY') => ({
    student: own('base'),
    teacher,
    tasks: [{ task: 'countdown' }],
    api: { keyVariable },
  });

  test('may use bundled tasks, and files in the folders that runs may read', () => {
    check('rl', rl('countdown'));
    check('rl', rl(own('gsm8k.jsonl')));
    check('pretrain', { model: {}, data: { inputs: [own('book.txt')] } });
    check('sft', { model: own('not/there/yet'), data: [own('book.txt')] });
    check('distill', distill(own('teacher')));
  });

  test('runs no program that was not permitted, whatever it is called', () => {
    for (const task of [own('task.js'), './task.ts', 'evil', 'countdown ', other('task.js')])
      assert.throws(
        () => check('rl', rl(task)),
        /\[tasks\.0\.task\] ".*" is a program, .*; read it, and permit it with/,
      );
    const permission = { ...inOwn, tasks: [own('task.js')] };
    check('rl', rl(own('task.js')), permission);
    check('rl', rl(join(root, 'own/../own/task.js')), permission);
    assert.throws(() => check('rl', rl(other('task.js')), permission), /is a program/);
  });

  test('asks no address and sends no key that was not permitted', () => {
    const teachers = [parseTeacher('https://a.example/v1'), parseTeacher('http://b.example/v1=KEY_B')];
    assert.deepEqual(teachers[1], { address: 'http://b.example/v1', keyVariable: 'KEY_B' });
    const permission = { ...inOwn, teachers };
    check('distill', distill('https://a.example/v1/'), permission);
    check('distill', distill('http://b.example/v1', 'KEY_B'), permission);
    const attempt = (teacher: string, key?: string) => () => check('distill', distill(teacher, key), permission);
    for (const address of ['https://c.example/v1', 'https://a.example/v1/x', 'HTTPS://a.example@c.example/v1'])
      assert.throws(attempt(address), /\[teacher\] ".*" is an address, which receives problems and a key/);
    assert.throws(
      attempt('https://a.example/v1', 'HOME'),
      /\[api.keyVariable\] "HOME" would be sent as a key, where MINKE/,
    );
    assert.throws(attempt('https://a.example/v1', 'KEY_B'), /where MINKE_TEACHER_KEY was permitted/);
    assert.throws(
      attempt('http://b.example/v1'),
      /where KEY_B was permitted; .* http:\/\/b.example\/v1=MINKE_TEACHER_KEY$/,
    );
    assert.throws(attempt(own('teacher'), 'HOME'), /"HOME" would be sent as a key/);
  });

  test('reads no file or folder elsewhere, not through a link or dots either', () => {
    for (const path of [other('book.txt'), own('way-out/book.txt'), own('../other/book.txt'), '/etc/passwd']) {
      assert.throws(
        () => check('pretrain', { model: {}, data: { inputs: [path] } }),
        /\[data\.inputs\.0\] .* lies outside/,
      );
      assert.throws(() => check('sft', { model: path, data: [own('book.txt')] }), /\[model\] .* lies outside/);
      assert.throws(
        () => check('distill', { ...distill(''), traces: { from: path } }),
        /\[traces\.from\] .* lies outside/,
      );
    }
    const examples = { workedExamples: 'word-problems', file: other('book.txt'), count: 1 };
    assert.throws(
      () => check('pretrain', { model: {}, data: { inputs: [examples] } }),
      /inputs\.0\.file\] .* lies outside/,
    );
    check(
      'pretrain',
      { model: {}, data: { inputs: [other('book.txt')] } },
      { ...inOwn, folders: [join(root, 'other')] },
    );
  });
});

describe('a run that is resumed by hand', () => {
  const program = { model: '/any/base', tasks: [{ task: own('task.js') }], keepCheckpoints: 1 };
  const asked = { student: 's', teacher: 'https://a.example/v1', tasks: [], api: { keyVariable: 'HOME' } };
  const resume = (kind: string, fields: object, given: Readonly<Record<string, unknown>>) => () =>
    permitResume(find(kind), given)(find(kind).recipe.parse(fields) as RunRecipe);

  test('runs the program and asks the address that its folder names only where they are named again', () => {
    assert.throws(resume('rl', program, {}), /is a program, .*; read it, and permit it with --task .*own\/task\.js$/);
    resume('rl', program, { task: [own('task.js')] })();
    resume('rl', program, { task: [`${own('task.js')}:3`] })();
    assert.throws(resume('distill', asked, {}), /is an address, .* --teacher https:\/\/a\.example\/v1$/);
    assert.throws(resume('distill', asked, { teacher: asked.teacher }), /--teacher https:\/\/a\.example\/v1=HOME$/);
    resume('distill', asked, { teacher: 'https://a.example/v1=HOME' })();
  });

  test('reads worked examples of a program only where it is named again', () => {
    const inputs = [{ workedExamples: own('task.js'), count: 1 }];
    for (const [kind, fields] of [
      ['pretrain', { model: {}, data: { inputs } }],
      ['sft', { model: '/any/base', data: [{ conversations: 'problems', task: own('task.js'), count: 1 }] }],
    ] as const) {
      assert.throws(resume(kind, fields, {}), /is a program, .* --task .*own\/task\.js$/);
      resume(kind, fields, { task: [own('task.js')] })();
    }
    check('pretrain', { model: {}, data: { inputs: [{ workedExamples: 'sums', count: 1 }] } });
  });

  test('takes no argument that it does not use', () => {
    for (const given of [{ model: 'x' }, { task: ['countdown'] }, { task: [own('task.js'), other('task.js')] }])
      assert.throws(resume('rl', program, given), /a run continues with its own recipe and data/);
    assert.throws(resume('distill', asked, { teacher: 'https://b.example' }), /continues with its own recipe/);
  });
});

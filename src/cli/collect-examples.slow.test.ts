// minke examples: only accepted answers are kept, the bill counts all, a base reads them. npm test -- collect-examples
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { toSynthetic, workedExamplesInput } from '../corpus/index.ts';
import { completion, startApi } from '../eval/test-completion-api.ts';
import { isHeldOut } from '../tasks/index.ts';
import { describeBill, type ExamplesFlags, examplesCommand, parsePrice } from './collect-examples.ts';
import { taskText } from './task-scaffold.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-examples-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'my-sum.js');
writeFileSync(file, taskText('my-sum', 'js'));
const to = join(folder, 'kept');

/** Answers half of the questions right, the others with a wrong sum. */
const teacher = await startApi((prompt) => {
  const numbers = [...(/User: (.*)/.exec(prompt)?.[1] ?? '').matchAll(/\d+/g)].map(([text]) => Number(text));
  const sum = numbers.reduce((total, number) => total + number, 0);
  const answer = numbers[0] % 2 === 0 ? sum : sum + 1;
  return completion(`${numbers.join('+')}=${sum}\n</think>\n<answer>${answer}</answer>`);
});

const flags = (more: Partial<ExamplesFlags> = {}): ExamplesFlags => ({
  teacher: teacher.url,
  model: 'big',
  to,
  count: 12,
  samples: 1,
  maxTokens: 64,
  template: 'full',
  minAcceptance: 0.1,
  ...more,
});

test('what the grader accepts is kept, everything is on the bill, and a base reads what was kept', async () => {
  await examplesCommand(`${file}:2`, flags());
  const kept = readFileSync(join(to, 'traces.jsonl'), 'utf8').trim().split('\n');
  assert.equal(kept.length, 12);
  const bill =
    /^12 examples kept; ([\d.]+) % of (\d+) answers were accepted; 0 tokens read, ([\d,]+) written, \$(\S+)$/;
  const [, share, answers, written, money] = bill.exec(describeBill(to, parsePrice('1/2'))) ?? [];
  assert.ok(Number(share) > 10 && Number(share) < 100 && Number(answers) > 12);
  assert.equal(money, ((2 * Number(written.replaceAll(',', ''))) / 1e6).toFixed(4));
  const input = { workedExamples: 'traces', file: join(to, 'traces.jsonl'), seed: 3, count: 40 };
  const documents: string[] = [];
  for await (const text of toSynthetic(workedExamplesInput.parse(input)).documents(0, 40)) documents.push(text);
  for (const text of documents) {
    const [, left, right, sum] = /(\d+)\+(\d+)=(\d+)\n/.exec(text) ?? [];
    assert.ok(Number(left) % 2 === 0 && Number(left) + Number(right) === Number(sum), text);
    assert.ok(
      !isHeldOut(`${left} ${right}`) &&
        text
          .trimEnd()
          .replace(/<\/\w+>$/, '')
          .endsWith(sum),
      text,
    );
  }
  await teacher.close(); // what is kept already needs no teacher
  await examplesCommand(`${file}:2`, flags());
  assert.deepEqual(readFileSync(join(to, 'traces.jsonl'), 'utf8').trim().split('\n'), kept);
  await assert.rejects(
    examplesCommand(file, flags()),
    /holds examples of another task, teacher, or template; name another/,
  );
  await assert.rejects(examplesCommand(file, flags({ price: '3' })), /expected two prices, received 3/);
});

// The texts of a new task and of its test, in TypeScript or JavaScript. The task works as it stands: it adds numbers.

export type Language = 'ts' | 'js';

/** What TypeScript says besides. */
const typed = {
  ts: {
    head: `import type { Problem, Task } from 'minke/tasks';

/** What grader and steps need to know of a problem, as plain data. */
interface ListSum extends Problem {
  readonly numbers: readonly number[];
  readonly sum: number;
}

`,
    before: '',
    type: ': Task<ListSum>',
  },
  js: { head: '', before: "/** @type {import('minke/tasks').Task<any>} */\n", type: '' },
} as const;

/** Returns the file of a task. */
export function taskText(name: string, language: Language): string {
  const { head, before, type } = typed[language];
  return `// The task ${name}. It works as it stands: it asks for the sum of a list of numbers.
//
// Make it your own part by part, and run its test after each: node --test ${name}.test.${language}
${head}${before}export const task${type} = {
  name: '${name}',
  description: 'Add a list of numbers.',

  // Levels of difficulty, whole numbers: here, how many numbers there are.
  difficulty: { from: 2, to: 5, default: 3 },

  // All randomness comes from random. Problems with the same key are the same problem; one key in eight is held out.
  problem(random, difficulty) {
    const numbers = Array.from({ length: difficulty }, () => random.whole(1, 99));
    const sum = numbers.reduce((total, number) => total + number, 0);
    return { prompt: \`Add \${numbers.join(', ')}.\`, key: numbers.join(' '), numbers, sum };
  },

  // The grader sees the final answer alone, whatever text that is, and must not throw.
  grade({ sum }, answer) {
    const text = answer.trim();
    if (!/^\\d{1,9}$/.test(text)) return { correct: false, reason: 'it is not a number' };
    return { correct: Number(text) === sum, reason: \`the sum is \${sum}\` };
  },

  solution: ({ sum }) => \`\${sum}\`,

  // A worked example, which a base reads: short lines, all of them true, each a small step from the one before.
  steps({ numbers }) {
    let total = 0;
    const lines = numbers.map((number) => {
      total += number;
      return \`\${total - number}+\${number}=\${total}\`;
    });
    return lines.slice(1);
  },

  // Ways to ask, the prompt first. Every third one is held out, so add new ones at the end.
  phrasings({ prompt, numbers }) {
    const list = numbers.join(', ');
    return [
      prompt,
      \`What is the sum of \${list}?\`,
      \`Add up \${list}.\`,
      \`What do \${list} add up to?\`,
      \`Sum the numbers \${list}.\`,
      \`What is \${numbers.join(' + ')}?\`,
      \`Find the total of \${list}.\`,
      \`How much are \${list} together?\`,
      \`Compute the sum: \${list}.\`,
      \`\${numbers.join('+')}?\`,
      \`Give me the total of \${list}.\`,
      \`Please add the numbers \${list}.\`,
    ];
  },
};
`;
}

/** Returns the file of its test. */
export function taskTest(name: string, language: Language): string {
  return `// What the task ${name} promises, and answers graded by hand: node --test ${name}.test.${language}
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openTask, taskContract } from 'minke/tasks';

const task = await openTask(fileURLToPath(new URL('./${name}.${language}', import.meta.url)));
after(() => task.close());

for (const { promise, check } of taskContract) test(promise, () => check(task));

const problem = { prompt: 'Add 4, 17, 25.', key: '4 17 25', numbers: [4, 17, 25], sum: 46 };
for (const [answer, expected] of [
  ['46', true],
  ['47', false],
  ['4+17+25', false],
]${language === 'ts' ? ' as const' : ''})
  test(\`\${answer} is \${expected ? 'accepted' : 'refused'}\`, async () => {
    const [verdict] = await task.grade([{ problem, answer }]);
    assert.equal(verdict${language === 'ts' ? '?' : ''}.correct, expected);
  });
`;
}

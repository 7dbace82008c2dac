// Knights, who tell the truth, and knaves, who lie: who is what? Every puzzle has one solution.
//
// Difficulty: 1 two people who speak of each other, 2 also of both, 3 three people. The answer is a list of names in
// any order, or `nobody`.
import type { Random } from '../../math/index.ts';
import type { Problem, Task, Verdict } from '../task.ts';
import { readText } from '../text-answer.ts';

/** What a person says. `who` is the number of the person spoken of. */
type Statement =
  | { readonly says: 'knight' | 'knave' | 'same' | 'other'; readonly who: number }
  | { readonly says: 'all knights' | 'all knaves' | 'some knave' | 'one knight' };

export interface LogicProblem extends Problem {
  readonly people: readonly string[];
  /** What each of them says. */
  readonly statements: readonly Statement[];
  readonly asks: 'knight' | 'knave';
}

const names = ['Ada', 'Ben', 'Carl', 'Dora', 'Emil', 'Fay', 'Gus', 'Hana', 'Ivo', 'Jane'] as const;

/** Who is a knight. */
type World = readonly boolean[];

function isTrue(statement: Statement, speaker: number, world: World): boolean {
  switch (statement.says) {
    case 'knight':
      return world[statement.who];
    case 'knave':
      return !world[statement.who];
    case 'same':
      return world[statement.who] === world[speaker];
    case 'other':
      return world[statement.who] !== world[speaker];
    case 'all knights':
      return world.every((isKnight) => isKnight);
    case 'all knaves':
      return world.every((isKnight) => !isKnight);
    case 'some knave':
      return world.some((isKnight) => !isKnight);
    case 'one knight':
      return world.filter((isKnight) => isKnight).length === 1;
  }
}

/** All possibilities, knights first. */
const worlds = (count: number): World[] =>
  Array.from({ length: 2 ** count }, (_, i) =>
    Array.from({ length: count }, (_, person) => (i >> (count - 1 - person)) % 2 === 0),
  );

/** Returns the first person whose words do not fit, -1 where all fit. */
const misfit = (statements: readonly Statement[], world: World): number =>
  statements.findIndex((statement, speaker) => isTrue(statement, speaker, world) !== world[speaker]);

const solve = (statements: readonly Statement[]): World[] =>
  worlds(statements.length).filter((world) => misfit(statements, world) < 0);

function drawStatement(random: Random, speaker: number, difficulty: number): Statement {
  const count = difficulty === 3 ? 3 : 2;
  const others = Array.from({ length: count }, (_, i) => i).filter((person) => person !== speaker);
  if (difficulty > 1 && random.chance(0.4))
    return { says: random.pick(['all knights', 'all knaves', 'some knave', 'one knight'] as const) };
  return { says: random.pick(['knight', 'knave', 'same', 'other'] as const), who: random.pick(others) };
}

function write(statement: Statement, people: readonly string[]): string {
  if ('who' in statement) {
    const who = people[statement.who];
    const other =
      statement.says === 'same' ? `${who} and I are of the same kind` : `${who} and I are of different kinds`;
    return statement.says === 'knight' || statement.says === 'knave' ? `${who} is a ${statement.says}` : other;
  }
  const all = people.length === 2 ? 'both' : 'all';
  const texts = {
    'all knights': `We are ${all} knights`,
    'all knaves': `We are ${all} knaves`,
    'some knave': 'At least one of us is a knave',
    'one knight': 'Exactly one of us is a knight',
  };
  return texts[statement.says];
}

function problem(random: Random, difficulty: number): LogicProblem {
  for (;;) {
    const people = random.shuffled(names).slice(0, difficulty === 3 ? 3 : 2);
    const statements = people.map((_, speaker) => drawStatement(random, speaker, difficulty));
    if (solve(statements).length !== 1) continue;
    const asks = random.pick(['knight', 'knave'] as const);
    const spoken = speeches({ people, statements });
    return { prompt: ask(spoken, asks), key: `${asks}: ${spoken}`, people, statements, asks };
  }
}

const speeches = ({ people, statements }: Pick<LogicProblem, 'people' | 'statements'>) =>
  people.map((name, i) => `${name} says: ${write(statements[i], people)}.`).join(' ');

const ask = (spoken: string, asks: string) => `Knights tell the truth, knaves lie. ${spoken} Who is a ${asks}?`;

function answer({ people, statements, asks }: LogicProblem): string[] {
  const [world] = solve(statements);
  return people.filter((_, i) => world[i] === (asks === 'knight'));
}

function grade(given: LogicProblem, text: string): Verdict {
  const truth = answer(given);
  const solution = truth.length === 0 ? 'nobody' : truth.join(' and ');
  const read = (readText(text) ?? '').split(/ ?, ?(?:and )?| and | /);
  const isNobody = truth.length === 0 && read.length === 1 && /^(?:nobody|none)$/.test(read[0]);
  const wanted = truth.map((name) => name.toLowerCase());
  const isList = truth.length > 0 && read.length === wanted.length && wanted.every((name) => read.includes(name));
  const correct = isNobody || isList;
  return { correct, reason: correct ? `it is ${solution}` : `it says ${read.join(', ').slice(0, 60)}` };
}

function phrasings(given: LogicProblem): string[] {
  const { prompt, people, statements, asks } = given;
  const spoken = speeches(given);
  const quoted = people.map((name, i) => `${name}: "${write(statements[i], people)}."`).join(' ');
  const said = people.map((name, i) => `${name} said "${write(statements[i], people)}".`).join(' ');
  const list = `${people.slice(0, -1).join(', ')} and ${people[people.length - 1]}`;
  return [
    prompt,
    `On an island, knights tell the truth and knaves lie. ${spoken} Who is a ${asks}?`,
    `Each of ${list} is a knight, who tells the truth, or a knave, who lies. ${spoken} Who is a ${asks}?`,
    `Knights always tell the truth, knaves always lie. ${quoted} Who is a ${asks}?`,
    `Knights and knaves: ${spoken} Who is a ${asks}?`,
    `Knaves lie and knights do not. ${said} Which of them is a ${asks}?`,
    `Knights never lie, knaves always do. ${said} Who is a ${asks}?`,
    `Knights tell the truth, knaves lie. ${quoted} Which one is a ${asks}?`,
    `Who is a ${asks}, if knights tell the truth and knaves lie? ${spoken}`,
    `You meet ${list}. Knights tell the truth, knaves lie. ${spoken} Who is a ${asks}?`,
    `${spoken} Knights tell the truth and knaves lie. Who is a ${asks}?`,
    `Find every ${asks}: knights tell the truth, knaves lie. ${quoted}`,
    `Here knights tell the truth and knaves lie. ${said} Name each ${asks}.`,
    `A knight tells the truth and a knave lies. ${spoken} Who is a ${asks}?`,
    `Among knights, who tell the truth, and knaves, who lie: ${said} Who is a ${asks}?`,
    `Knights and knaves puzzle. ${quoted} Who is a ${asks}?`,
    `Solve the knights and knaves puzzle: ${spoken} Who is a ${asks}?`,
    `Tell me who is a ${asks}. Knights tell the truth, knaves lie. ${quoted}`,
  ];
}

/** Tries one possibility after another. */
function steps({ people, statements }: LogicProblem): string[] {
  const all = worlds(people.length);
  const fits = all.findIndex((world) => misfit(statements, world) < 0);
  return all.slice(0, fits + 1).map((world, i) => {
    const kinds = people.map((name, person) => `${name} ${world[person] ? 'knight' : 'knave'}`).join(', ');
    const wrong = misfit(statements, world);
    if (i === fits) return `${kinds}: ok`;
    return `${kinds}: ${people[wrong]} says what is ${world[wrong] ? 'false' : 'true'} no`;
  });
}

export const logic: Task<LogicProblem> = {
  name: 'logic',
  description: 'Find out who tells the truth.',
  difficulty: { from: 1, to: 3, default: 1 },
  problem,
  grade,
  solution: (given) => answer(given).join(' and ') || 'nobody',
  phrasings,
  steps,
};

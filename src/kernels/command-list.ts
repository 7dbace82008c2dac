// How commands wait and how they are encoded: numbers, so that a list is one copy into device memory.
//
// A command is [kernel, count, words...]. Each kernel has an encoder of its own, generated from its parameters when a
// device opens: one shared loop over names would cost five times as much, because the engine could not specialize it.
import { ValueError } from './errors.ts';
import { isAddress, type Parameter, type Place } from './kernel.ts';

/** An open list of commands: a growing array of [kernel, count, words...]. */
export class CommandList {
  words = new Float64Array(4096);
  length = 0;
  commands = 0;

  clear(): void {
    this.length = 0;
    this.commands = 0;
  }

  grow(): void {
    const larger = new Float64Array(this.words.length * 2);
    larger.set(this.words);
    this.words = larger;
  }
}

type Value = Place | readonly Place[];
type Arguments = Readonly<Record<string, Value | undefined>>;

/** Appends one command with the given arguments. Throws ValueError where one is missing or not a number. */
export type Encoder = (list: CommandList, args: Arguments) => void;

/** The encoder of the kernel `name`, which `number` stands for in a command. */
export function createEncoder(name: string, number: number, parameters: readonly Parameter[]): Encoder {
  const refuse = (args: Arguments) => refuseArguments(name, parameters, args);
  if (parameters.some(({ isList }) => isList)) return listEncoder(number, parameters, refuse);
  try {
    return new Function('refuse', `return ${encoderSource(number, parameters)}`)(refuse);
  } catch (error) {
    if (!(error instanceof EvalError)) throw error;
    return loopingEncoder(number, parameters, refuse); // code generation is forbidden here
  }
}

function encoderSource(number: number, parameters: readonly Parameter[]): string {
  const size = parameters.length + 2;
  const reads = parameters.map(({ name }, i) => `const a${i} = args.${name};`);
  const isWrong = parameters.map((parameter, i) =>
    isAddress(parameter) ? `a${i} === undefined` : `typeof a${i} !== 'number'`,
  );
  const writes = parameters.map((parameter, i) => {
    const word = isAddress(parameter)
      ? `typeof a${i} === 'number' ? a${i} : a${i} === null ? 0 : a${i}.address`
      : `a${i}`;
    return `words[at + ${i + 2}] = ${word};`;
  });
  return `(list, args) => {
    ${reads.join(' ')}
    if (${isWrong.join(' || ')}) refuse(args);
    if (list.length + ${size} > list.words.length) list.grow();
    const { words, length: at } = list;
    words[at] = ${number};
    words[at + 1] = ${parameters.length};
    ${writes.join(' ')}
    list.length = at + ${size};
    list.commands++;
  }`;
}

function toWord(value: Place): number {
  return typeof value === 'number' ? value : (value?.address ?? 0);
}

/** Appends one command of these words. */
function append(list: CommandList, number: number, words: readonly number[]): void {
  while (list.length + words.length + 2 > list.words.length) list.grow();
  list.words.set([number, words.length, ...words], list.length);
  list.length += words.length + 2;
  list.commands++;
}

/** The same without generated code, for places that forbid it: slower, and otherwise alike. */
export function loopingEncoder(
  number: number,
  parameters: readonly Parameter[],
  refuse: (args: Arguments) => void,
): Encoder {
  return (list, args) => {
    if (!parameters.every((parameter) => fits(parameter, args[parameter.name]))) refuse(args);
    append(
      list,
      number,
      parameters.map(({ name }) => toWord(args[name] as Place)),
    );
  };
}

/** Encodes the lists of a command row by row, after its single words. */
function listEncoder(number: number, parameters: readonly Parameter[], refuse: (args: Arguments) => void): Encoder {
  const single = parameters.filter(({ isList }) => !isList);
  const lists = parameters.filter(({ isList }) => isList);
  return (list, args) => {
    if (!parameters.every((parameter) => fits(parameter, args[parameter.name]))) refuse(args);
    const columns = lists.map(({ name }) => args[name] as readonly Place[]);
    if (columns.some(({ length }) => length !== columns[0].length)) refuse(args);
    const rows = columns[0].flatMap((_, row) => columns.map((column) => toWord(column[row])));
    append(list, number, [...single.map(({ name }) => toWord(args[name] as Place)), ...rows]);
  };
}

function fits(parameter: Parameter, value: Value | undefined): boolean {
  if (parameter.isList) {
    const single = { ...parameter, isList: false };
    return Array.isArray(value) && value.every((element: Place) => fits(single, element));
  }
  return value !== undefined && (typeof value === 'number' || (isAddress(parameter) && !Array.isArray(value)));
}

function refuseArguments(kernel: string, parameters: readonly Parameter[], args: Arguments): never {
  const names = parameters.map(({ name }) => name);
  const wrong = parameters
    .filter((parameter) => !fits(parameter, args[parameter.name]))
    .map(({ name }) => `${name}: missing or of the wrong kind`);
  const unknown = Object.keys(args)
    .filter((name) => !names.includes(name))
    .map((name) => `${name}: unknown`);
  const problem = [...wrong, ...unknown].join(', ') || 'the lists differ in length';
  throw new ValueError(kernel, problem, `give ${names.join(', ')}`);
}

// Conversations with functions: they are offered in the system text, called in Hermes' format, and their results told.
//
// The offer is the text that the server writes for a template without a place for functions (its test compares them).
// Names of cities and numbers are copied from the question, so that a model learns to copy and not to recall.
import type { Random } from '../../math/index.ts';
import { makeWord, type Split } from '../../tasks/index.ts';
import { assistant, type Conversation, type Message, say, system, user } from './conversation.ts';
import { greetings } from './small-talk.ts';

interface Parameter {
  readonly type: 'string' | 'number';
  readonly description: string;
}

/** A function, and how people ask for it; `{a}` in a text is the argument a. */
interface Callable {
  readonly name: string;
  readonly description: string;
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly asks: readonly string[];
  /** Draws arguments and what the function returns for them. */
  readonly draw: (random: Random) => { readonly given: Readonly<Record<string, unknown>>; readonly result: string };
  /** The answer to its result, `{result}`. */
  readonly reply: string;
}

function drawPlace(random: Random): string {
  const word = makeWord(random, random.whole(1, 3));
  return word[0].toUpperCase() + word.slice(1);
}

const place: Parameter = { type: 'string', description: 'The city' };
const number = (description: string): Parameter => ({ type: 'number', description });
const skies = ['sunny', 'cloudy', 'rainy', 'windy', 'foggy'];

function drawPair(random: Random, compute: (a: number, b: number) => number) {
  const given = { a: random.whole(2, 999), b: random.whole(2, 999) };
  return { given, result: `${compute(given.a, given.b)}` };
}

const functions: readonly Callable[] = [
  {
    name: 'get_weather',
    description: 'Get the current weather in a city.',
    parameters: { city: place },
    asks: [
      ...['What is the weather in {city}?', 'How is the weather in {city}?', 'Tell me the weather in {city}.'],
      ...['Weather in {city}?', 'Is it nice in {city} today?', 'Which weather does {city} have?'],
    ],
    draw: (random) => ({
      given: { city: drawPlace(random) },
      result: `${random.pick(skies)}, ${random.whole(-9, 35)} degrees`,
    }),
    reply: 'In {city} it is {result}.',
  },
  {
    name: 'get_time',
    description: 'Get the local time in a city.',
    parameters: { city: place },
    asks: [
      ...['What time is it in {city}?', 'Tell me the time in {city}.', 'How late is it in {city}?'],
      ...['Time in {city}?', 'What is the local time in {city}?', 'Which time do they have in {city}?'],
    ],
    draw: (random) => ({
      given: { city: drawPlace(random) },
      result: `${random.whole(10, 23)}:${random.whole(10, 59)}`,
    }),
    reply: 'In {city} it is {result}.',
  },
  {
    name: 'add',
    description: 'Adds two numbers.',
    parameters: { a: number('The first number'), b: number('The second number') },
    asks: [
      ...['What is {a} plus {b}?', 'Add {a} and {b}.', 'What is {a} + {b}?'],
      ...['Sum up {a} and {b}.', 'How much is {a} plus {b}?', 'Compute {a} + {b}.'],
    ],
    draw: (random) => drawPair(random, (a, b) => a + b),
    reply: 'It is {result}.',
  },
  {
    name: 'multiply',
    description: 'Multiplies two numbers.',
    parameters: { a: number('The first number'), b: number('The second number') },
    asks: [
      ...['What is {a} times {b}?', 'Multiply {a} by {b}.', 'What is {a} * {b}?'],
      ...['Multiply {a} and {b}.', 'How much is {a} times {b}?', 'Compute {a} * {b}.'],
    ],
    draw: (random) => drawPair(random, (a, b) => a * b),
    reply: 'It is {result}.',
  },
];

const fill = (text: string, values: Readonly<Record<string, unknown>>) =>
  text.replaceAll(/\{(\w+)\}/g, (_, name: string) => `${values[name]}`);

/** The text that offers functions. */
function offer(offered: readonly Callable[]): string {
  const definitions = offered.map(({ name, description, parameters: properties }) => {
    const parameters = { type: 'object', properties, required: Object.keys(properties) };
    return JSON.stringify({ type: 'function', function: { name, description, parameters } });
  });
  const example = '<tool_call>\n{"name": "NAME", "arguments": {"argument": "value"}}\n</tool_call>\n';
  return ['## Tools\n\nYou may call these functions. To call one, write', example, ...definitions].join('\n');
}

const writeCall = (name: string, given: object) =>
  `<tool_call>\n{"name": "${name}", "arguments": ${JSON.stringify(given)}}\n</tool_call>`;

/** A question for which a function is called, its result, and the answer; now and then a greeting, without a call. */
export function toolCalls(random: Random, split: Split): Conversation {
  const offered = random.shuffled(functions).slice(0, random.whole(1, 3));
  const start = system(offer(offered));
  if (random.chance(0.15)) {
    const { says, replies } = random.pick(greetings);
    return [start, user(say(random, says, split)), assistant(random.pick(replies))];
  }
  const { name, asks, draw, reply } = random.pick(offered);
  const { given, result } = draw(random);
  const answer: Message[] = [{ role: 'tool', content: result }, assistant(fill(reply, { ...given, result }))];
  const asked = [start, user(fill(say(random, asks, split), given)), assistant(writeCall(name, given))];
  return random.chance(0.5) ? [...asked, ...answer] : asked;
}

// Conversations under a system text: a name to use, a name to have, or words that change nothing.
import type { Random } from '../../math/index.ts';
import type { Split } from '../../tasks/index.ts';
import { assistant, type Conversation, exchange, say, system, user } from './conversation.ts';
import { outOfScope } from './out-of-scope.ts';
import { abilities, greetings, questions } from './small-talk.ts';
import { workedProblem } from './worked-problems.ts';

const people = [
  'Ada',
  'Ben',
  'Carl',
  'Dora',
  'Emma',
  'Finn',
  'Grace',
  'Hugo',
  'Ida',
  'Jack',
  'Lily',
  'Max',
  'Nora',
  'Tom',
];
const assistants = ['Robo', 'Pip', 'Luna', 'Max', 'Nova', 'Otto', 'Kim', 'Sage', 'Iris', 'Rex', 'Milo', 'Zed'];

/** System texts that change nothing. */
const plain = [
  ...['You are a helpful assistant.', 'You are minke.', 'Answer briefly.', 'Be brief.', 'You are a math tutor.'],
  ...[
    'Think before you answer.',
    'You are a friendly assistant.',
    'Be polite.',
    'Answer the question.',
    'Help the user.',
  ],
  ...[
    'Solve the problem.',
    'You are an assistant that computes.',
    'You answer questions.',
    'Reply in English.',
    'Be exact.',
  ],
];

function underPlainText(random: Random, split: Split): Conversation {
  const rest = random.pick([
    workedProblem,
    workedProblem,
    outOfScope,
    (draw: Random) => exchange(draw, greetings, split),
    (draw: Random) => exchange(draw, questions, split),
  ]);
  return [system(say(random, plain, split)), ...rest(random, split)];
}

function namedUser(random: Random, split: Split): Conversation {
  const name = random.pick(people);
  const texts = [
    ...[
      `The user's name is ${name}.`,
      `You are talking to ${name}.`,
      `The user is called ${name}.`,
      `Your user is ${name}.`,
    ],
    ...[
      `The name of the user is ${name}.`,
      `You help ${name}.`,
      `The person you talk to is ${name}.`,
      `${name} is the user.`,
    ],
    `You speak with ${name}.`,
  ];
  const asks = [
    'What is my name?',
    "What's my name?",
    'Do you know my name?',
    'Who am I?',
    'Tell me my name.',
    'And my name is?',
  ];
  const [hello] = greetings;
  const [said, reply] = random.chance(0.5)
    ? [hello.says, `Hello, ${name}! What can I compute for you?`]
    : [asks, `Your name is ${name}.`];
  return [system(say(random, texts, split)), user(say(random, said, split)), assistant(reply)];
}

function namedAssistant(random: Random, split: Split): Conversation {
  const name = random.pick(assistants);
  const texts = [
    ...[`Your name is ${name}.`, `You are ${name}.`, `You are an assistant called ${name}.`, `You are called ${name}.`],
    ...[`You are ${name}, a helpful assistant.`, `Call yourself ${name}.`, `You have the name ${name}.`, `Be ${name}.`],
    `The assistant's name is ${name}.`,
  ];
  const asks = [
    ...['Who are you?', "What's your name?", 'What is your name?', 'Do you have a name?', 'How are you called?'],
    'Who am I talking to?',
  ];
  const reply = random.chance(0.5) ? `I am ${name}. ${random.pick(abilities)}` : `My name is ${name}.`;
  return [system(say(random, texts, split)), user(say(random, asks, split)), assistant(reply)];
}

export const underSystemText = (random: Random, split: Split): Conversation =>
  random.pick([underPlainText, underPlainText, namedUser, namedAssistant])(random, split);

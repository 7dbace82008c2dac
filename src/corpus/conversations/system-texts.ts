// Conversations under a system text: a name to use, a name to have, or words that change nothing.
import type { Random } from '../../math/index.ts';
import { makeWord, type Split } from '../../tasks/index.ts';
import { assistant, type Conversation, exchange, say, system, user } from './conversation.ts';
import { outOfScope } from './out-of-scope.ts';
import { abilities, greetings, questions } from './small-talk.ts';
import { workedProblem } from './worked-problems.ts';

const people = [
  ...['Ada', 'Ben', 'Carl', 'Dora', 'Emma', 'Finn', 'Grace', 'Hugo', 'Ida', 'Jack', 'Lily', 'Max', 'Nora', 'Tom'],
  ...['Robo', 'Pip', 'Luna', 'Otto', 'Kim', 'Sage', 'Iris', 'Rex', 'Milo', 'Zed', 'Omar', 'Yuki', 'Elif', 'Sven'],
];

/** Draws a name. Most are made up: names must be read, not remembered. */
function drawName(random: Random): string {
  if (random.chance(0.3)) return random.pick(people);
  const name = makeWord(random, random.whole(1, 3));
  return name[0].toUpperCase() + name.slice(1);
}

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
  const name = drawName(random);
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
    `${name} is talking to you.`,
    `The person here is called ${name}.`,
    `My name is ${name}. Be kind.`,
  ];
  const asks = [
    'What is my name?',
    "What's my name?",
    'Do you know my name?',
    'Who am I?',
    'Tell me my name.',
    'And my name is?',
    'Can you tell me my name?',
    'Say my name.',
    'What am I called?',
    'You know who I am?',
    'Who is talking to you?',
    'Which name do I have?',
  ];
  const [hello] = greetings;
  const [said, reply] = random.chance(0.5)
    ? [hello.says, `Hello, ${name}! What can I compute for you?`]
    : [asks, `Your name is ${name}.`];
  return [system(say(random, texts, split)), user(say(random, said, split)), assistant(reply)];
}

function namedAssistant(random: Random, split: Split): Conversation {
  const name = drawName(random);
  const texts = [
    ...[`Your name is ${name}.`, `You are ${name}.`, `You are an assistant called ${name}.`, `You are called ${name}.`],
    ...[`You are ${name}, a helpful assistant.`, `Call yourself ${name}.`, `You have the name ${name}.`, `Be ${name}.`],
    `The assistant's name is ${name}.`,
    `You are a helper with the name ${name}.`,
    `Your name is ${name}. Answer in a friendly way.`,
    `From now on you are called ${name}.`,
    `You are ${name}. Help the user.`,
  ];
  const asks = [
    ...['Who are you?', "What's your name?", 'What is your name?', 'Do you have a name?', 'How are you called?'],
    'Who am I talking to?',
    ...[
      'And you are?',
      'Tell me your name.',
      'What should I call you?',
      'Your name?',
      'Say your name.',
      'Hi, who are you?',
    ],
  ];
  const reply = random.chance(0.5) ? `I am ${name}. ${random.pick(abilities)}` : `My name is ${name}.`;
  return [system(say(random, texts, split)), user(say(random, asks, split)), assistant(reply)];
}

export const underSystemText = (random: Random, split: Split): Conversation =>
  random.pick([underPlainText, underPlainText, namedUser, namedAssistant])(random, split);

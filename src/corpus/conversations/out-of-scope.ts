// Questions about what the model did not learn, and plain words that say so.
import type { Random } from '../../math/index.ts';
import type { Split } from '../../tasks/index.ts';
import { assistant, type Conversation, say, user } from './conversation.ts';
import { abilities } from './small-talk.ts';

const slots: Readonly<Record<string, readonly string[]>> = {
  country: [
    'France',
    'Japan',
    'Brazil',
    'Egypt',
    'Norway',
    'Canada',
    'India',
    'Italy',
    'Kenya',
    'Chile',
    'Poland',
    'Spain',
  ],
  city: [
    'Paris',
    'Berlin',
    'Tokyo',
    'London',
    'Rome',
    'New York',
    'Madrid',
    'Oslo',
    'Cairo',
    'Lima',
    'Sydney',
    'Vienna',
  ],
  thing: ['the sea', 'a cat', 'spring', 'love', 'a robot', 'the moon', 'my dog', 'a tree', 'rain', 'winter', 'a train'],
  word: ['house', 'water', 'hello', 'friend', 'bread', 'thank you', 'good morning', 'tree', 'book', 'love', 'the dog'],
  language: ['French', 'German', 'Spanish', 'Chinese', 'Italian', 'Japanese', 'Latin', 'Russian', 'Dutch', 'Greek'],
  person: [
    'Einstein',
    'Shakespeare',
    'Napoleon',
    'Mozart',
    'Marie Curie',
    'the president',
    'Cleopatra',
    'Picasso',
    'Newton',
  ],
  book: ['Hamlet', 'Faust', 'the Odyssey', 'Moby Dick', 'War and Peace', 'Don Quixote', 'Dracula', 'Macbeth'],
  dish: ['pancakes', 'pizza', 'soup', 'bread', 'a cake', 'pasta', 'rice', 'curry', 'an omelet'],
  subject: [
    'gravity',
    'black holes',
    'photosynthesis',
    'democracy',
    'electricity',
    'the internet',
    'climate',
    'evolution',
  ],
  code: ['Python', 'JavaScript', 'C++', 'Java', 'Rust', 'SQL'],
  animal: ['a whale', 'a cat', 'an eagle', 'a shark', 'a horse', 'an ant', 'a lion', 'an elephant'],
};

/** Questions by subject: of each list, every third one is held out. */
const asked: readonly (readonly string[])[] = [
  [
    'What is the capital of {country}?',
    'Capital of {country}?',
    'Which city is the capital of {country}?',
    'How many people live in {country}?',
    'Where is {city}?',
    'Tell me about {country}.',
  ],
  [
    "What's the weather in {city}?",
    'What is the weather like today?',
    'Will it rain tomorrow in {city}?',
    'Is it cold in {city}?',
    'How warm is it in {city}?',
    'What will the weather be?',
  ],
  [
    'Write a poem about {thing}.',
    'Tell me a story about {thing}.',
    'Write a song about {thing}.',
    'Can you write a poem?',
    'Tell me a joke.',
    'Write a short text about {thing}.',
  ],
  [
    'Translate {word} into {language}.',
    'What is {word} in {language}?',
    'How do you say {word} in {language}?',
    'Can you speak {language}?',
    'Say {word} in {language}.',
    'Translate to {language}: {word}',
  ],
  [
    'Who is {person}?',
    'When was {person} born?',
    'What did {person} do?',
    'How old is {person}?',
    'Who was {person}?',
    'Where did {person} live?',
  ],
  [
    'Who wrote {book}?',
    'What is {book} about?',
    'When was {book} written?',
    'Have you read {book}?',
    'Summarize {book}.',
    'Who is the author of {book}?',
  ],
  [
    'How do I cook {dish}?',
    'Give me a recipe for {dish}.',
    'What do I need for {dish}?',
    'How long do I bake {dish}?',
    'How is {dish} made?',
    'What goes well with {dish}?',
  ],
  [
    'Explain {subject}.',
    'What is {subject}?',
    'How does {subject} work?',
    'Why is {subject} important?',
    'Tell me about {subject}.',
    'Can you explain {subject} to me?',
  ],
  [
    'Write a program in {code}.',
    'How do I sort a list in {code}?',
    'What is {code}?',
    'Fix my {code} code.',
    'Should I learn {code}?',
    'Write a website in {code}.',
  ],
  [
    'What do you think about {thing}?',
    'Do you like {dish}?',
    'What should I do today?',
    'What is the meaning of life?',
    'Do you have feelings?',
    'Which movie should I watch?',
  ],
  [
    'What is the news today?',
    'Who won the game yesterday?',
    'What time is it?',
    'What happened in {city}?',
    'What is the date today?',
    'Who is the president of {country}?',
  ],
  [
    'My head hurts, what should I do?',
    'Which medicine is good for a cold?',
    'I am sad.',
    'Can you call my friend?',
    'Book a flight to {city}.',
    'Give me some advice.',
  ],
  [
    'How fast is {animal}?',
    'What does {animal} eat?',
    'How long does {animal} live?',
    'Where does {animal} live?',
    'Why is the sky blue?',
    'How big is {animal}?',
  ],
  [
    'Draw {thing}.',
    'Show me a picture of {thing}.',
    'Play some music.',
    'Sing a song.',
    'Open my email.',
    'Search the web for {person}.',
  ],
];

const refusals = [
  'I did not learn that.',
  'I cannot help with that.',
  'That is outside what I learned.',
  'Sorry, I do not know that.',
  'I am a small model and do not know that.',
];

/** Fills the slots of a question. */
const fill = (random: Random, text: string): string =>
  text.replace(/\{(\w+)\}/g, (_, slot: string) => random.pick(slots[slot]));

export function outOfScope(random: Random, split: Split): Conversation {
  const question = fill(random, say(random, random.pick(asked), split));
  return [user(question), assistant(`${random.pick(refusals)} ${random.pick(abilities)}`)];
}

// How different people type the same sentence: what they put before a request, in haste, between numbers, as courtesy.
//
// Contract: the meaning stays. A request stays a request, numbers keep their order, and operators their places.
import type { Random } from '../math/index.ts';

export type Choices = Pick<Random, 'pick' | 'chance'>;

const requestShare = 1 / 4;
const spacingShare = 1 / 4;
const hasteShare = 1 / 4;
const mannersShare = 1 / 5;

/** Words that begin a request. */
const verbs = [
  ...['Add', 'Alphabetize', 'Arrange', 'Break', 'Calculate', 'Combine', 'Compute', 'Continue', 'Convert', 'Count'],
  ...['Divide', 'Evaluate', 'Factor', 'Find', 'Give', 'Make', 'Multiply', 'Order', 'Put', 'Read', 'Reach', 'Reduce'],
  ...['Reverse', 'Rewrite', 'Say', 'Simplify', 'Solve', 'Sort', 'Spell', 'Split', 'Subtract', 'Take', 'Tell', 'Turn'],
  ...['Use', 'Work', 'Write'],
] as const;
const isRequest = new RegExp(`^(?:${verbs.join('|')})(?= )`);

/** What stands before a request, and the mark after it. */
const beforeRequests = [
  ...['Can you ', 'Could you ', 'Would you ', 'Can you please ', 'Could you please ', 'Will you '].map(
    (text) => [text, '?'] as const,
  ),
  ...['Please ', 'I need you to ', 'I want you to ', 'Help me to ', 'I have to ', 'You should ', 'Now '].map(
    (text) => [text, '.'] as const,
  ),
];

/** Beginnings of questions, and what people say instead. */
const questions: readonly (readonly [begin: RegExp, others: readonly string[]])[] = [
  [/^What is (?=[\d(a-z"'-])/, ["What's ", 'Whats ', 'what is ', 'What would be ', 'Do you know what is ']],
  [/^What's (?=[\d(a-z"'-])/, ['What is ', 'Whats ']],
  [/^How many /, ['Tell me how many ', 'Do you know how many ', 'Can you say how many ', 'So how many ']],
  [/^How much (?=is |are )/, ['Tell me how much ', 'Do you know how much ', 'And how much ']],
];

/** Puts a request or a question into other words, where it begins as one. */
function ask(random: Choices, text: string): string {
  if (isRequest.test(text)) {
    const [before, mark] = random.pick(beforeRequests);
    return `${before}${text[0].toLowerCase()}${text.slice(1)}`.replace(/\.$/, mark);
  }
  const found = questions.find(([begin]) => begin.test(text));
  return found ? text.replace(found[0], random.pick(found[1])) : text;
}

/** Changes the blanks around operators one by one, and how a list of numbers is separated. */
function space(random: Choices, text: string): string {
  const between = random.pick([', ', ' ', ',']);
  return text
    .replace(/(?<=[\d)]) ([-+*×÷]) (?=[\d(])/g, (_, operator) => random.pick([` ${operator} `, operator]))
    .replace(/(?<=\d)([+*×÷])(?=[\d(])/g, (_, operator) => random.pick([` ${operator} `, operator]))
    .replace(/(?<=^|[^\d.,])(?:\d+, ){2,}\d+(?![\d,.]*\d)/g, (list) => list.replaceAll(', ', between));
}

/** Returns the text without its first capital letter and its last period or question mark. */
export function typeInHaste(text: string): string {
  const open = text.replace(/(?<!\.)[.?]$/, '').trimEnd();
  return /^[A-Z][a-z]/.test(open) ? open[0].toLowerCase() + open.slice(1) : open;
}

const openings = [
  ...['Hi, ', 'Hello, ', 'Hey, ', 'Please: ', 'Quick question: ', 'Tell me: ', 'Ok, ', 'So, ', 'Hi! ', 'Next: '],
  ...['Hello! ', 'Hey there, ', 'Good morning! ', 'One question: ', 'A question: ', 'My question: ', 'Question: '],
  ...['I wonder: ', 'Let me ask: ', 'Here is one: ', 'Another one: ', 'And now: ', 'Now this: ', 'Try this: '],
  ...['Help me with this: ', 'For my homework: ', 'My teacher asks: ', 'Well, ', 'Alright, ', 'Can you help? '],
  ...['I am stuck: ', 'An easy one: ', 'Please help: ', 'Task: ', 'Problem: ', 'Hmm, ', 'Please, ', 'Dear minke, '],
] as const;
const closings = [
  ...[' Thanks!', ' Thank you.', ', please', ' please', ', thanks', ' Thanks', '!', ' Can you tell me?', '??'],
  ...[', thank you', ' Thank you!', ' pls', ' thx', ', please!', ' Please help.', ' I am not sure.', ' Any idea?'],
  ...[' for me', ', quickly', ' Cheers!', ' Thanks a lot.', ' right now', ' Show your steps.', ' Be careful.'],
] as const;

/** Returns the text with words of courtesy before or after it. */
function withManners(random: Choices, text: string): string {
  if (!random.chance(0.5)) return random.pick(openings) + text;
  const closing = random.pick(closings);
  return /^ [A-Z]/.test(closing) ? text + closing : `${text.replace(/(?<!\.)[.?]$/, '')}${closing}`;
}

/** Types a sentence as somebody does. All randomness comes from `random`. */
export function varySurface(random: Choices, text: string): string {
  const asked = random.chance(requestShare) ? ask(random, text) : text;
  const spaced = random.chance(spacingShare) ? space(random, asked) : asked;
  const typed = random.chance(hasteShare) ? typeInHaste(spaced) : spaced;
  return random.chance(mannersShare) ? withManners(random, typed) : typed;
}

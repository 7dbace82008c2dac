// A conversation as it is stored: turns, each a prompt and its answers, one of which is shown. Values are immutable.
//
// A turn that asks a problem of a task carries the problem, by which its answers are graded. Turns stored by earlier
// versions have none, and their answers get no verdict.
import type { ChatMessage } from '../../src/server/protocol.ts';
import type { Usage } from '../../src/server/protocol-responses.ts';
import type { TaskProblem, TaskVerdict } from '../../src/server/protocol-tasks.ts';

/** stopped: by the reader, or because the page was closed; stop and length: as the server says. */
export type AnswerState = 'running' | 'stop' | 'length' | 'stopped' | 'failed';

export interface Answer {
  readonly id: string;
  readonly state: AnswerState;
  readonly model: string;
  readonly thinking: string;
  readonly text: string;
  /** The number of chunks so far, each a token or more: a lower bound until `usage` is known. */
  readonly chunks: { readonly thinking: number; readonly text: number };
  /** Milliseconds from the request to the first token, to the end of the thinking, to the end; null: not yet. */
  readonly firstMs: number | null;
  readonly thinkingMs: number | null;
  readonly totalMs: number | null;
  readonly usage: Usage | null;
  readonly problem: string | null;
  readonly verdict: TaskVerdict | null;
}

export interface Turn {
  readonly id: string;
  readonly prompt: string;
  readonly problem?: TaskProblem | null;
  readonly answers: readonly Answer[];
  /** The index of the answer that is shown. */
  readonly shown: number;
}

export interface Conversation {
  readonly id: string;
  readonly title: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly turns: readonly Turn[];
}

const maxTitleLength = 60;

export function toTitle(prompt: string): string {
  const line = prompt.trim().split('\n')[0];
  return line.length <= maxTitleLength ? line : `${line.slice(0, maxTitleLength - 1).trimEnd()}…`;
}

/** Returns 24 random hexadecimal digits. (randomUUID exists only on addresses that browsers call secure.) */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function newConversation(title: string): Conversation {
  const now = Date.now();
  return { id: newId(), title, createdAt: now, updatedAt: now, turns: [] };
}

export function newTurn(prompt: string, problem: TaskProblem | null): Turn {
  return { id: newId(), prompt, problem, answers: [], shown: 0 };
}

export function newAnswer(model: string): Answer {
  return {
    id: newId(),
    state: 'running',
    model,
    thinking: '',
    text: '',
    chunks: { thinking: 0, text: 0 },
    firstMs: null,
    thinkingMs: null,
    totalMs: null,
    usage: null,
    problem: null,
    verdict: null,
  };
}

export function shownAnswer({ answers, shown }: Turn): Answer | null {
  return answers[shown] ?? null;
}

/** Returns the messages for a turn: everything said before it and its prompt, without the thinking. */
export function messagesUpTo({ turns }: Conversation, turnId: string, system: string): ChatMessage[] {
  const messages: ChatMessage[] = system.trim() === '' ? [] : [{ role: 'system', content: system }];
  for (const turn of turns) {
    messages.push({ role: 'user', content: turn.prompt });
    if (turn.id === turnId) break;
    const answer = shownAnswer(turn);
    if (answer !== null) messages.push({ role: 'assistant', content: answer.text });
  }
  return messages;
}

export function withTurn(conversation: Conversation, turnId: string, update: (turn: Turn) => Turn): Conversation {
  return { ...conversation, turns: conversation.turns.map((turn) => (turn.id === turnId ? update(turn) : turn)) };
}

/** Adds an answer or replaces the one with the same id, and shows it. */
export function withAnswer(turn: Turn, answer: Answer): Turn {
  const at = turn.answers.findIndex(({ id }) => id === answer.id);
  if (at >= 0) return { ...turn, answers: turn.answers.with(at, answer) };
  return { ...turn, answers: [...turn.answers, answer], shown: turn.answers.length };
}

/** Marks answers as stopped that were running when the page was closed. */
export function withoutRunning(conversation: Conversation): Conversation {
  const stop = (answer: Answer): Answer => (answer.state === 'running' ? { ...answer, state: 'stopped' } : answer);
  const turns = conversation.turns.map((turn) => ({ ...turn, answers: turn.answers.map(stop) }));
  return { ...conversation, turns };
}

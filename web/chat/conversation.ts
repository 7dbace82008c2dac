// A conversation as it is kept: turns, each a prompt and the answers to it, one of which is shown. Values, never changed
// in place.
import type { ChatMessage } from '../../src/server/protocol.ts';
import type { Usage } from '../../src/server/protocol-responses.ts';
import type { TaskVerdict } from '../../src/server/protocol-tasks.ts';

/** running: it comes; stopped: by the reader, or the page was closed; the others as the server says. */
export type AnswerState = 'running' | 'stop' | 'length' | 'stopped' | 'failed';

export interface Answer {
  readonly id: string;
  readonly state: AnswerState;
  readonly model: string;
  readonly thinking: string;
  readonly text: string;
  /** Chunks that came, each a token or more: what is known before `usage` is. */
  readonly chunks: { readonly thinking: number; readonly text: number };
  /** Times since it was asked for; null: not yet. */
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
  readonly answers: readonly Answer[];
  readonly shown: number;
}

export interface Conversation {
  readonly id: string;
  readonly title: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly turns: readonly Turn[];
}

const longestTitle = 60;

export function toTitle(prompt: string): string {
  const line = prompt.trim().split('\n')[0];
  return line.length <= longestTitle ? line : `${line.slice(0, longestTitle - 1).trimEnd()}…`;
}

/** getRandomValues, because randomUUID is only there on addresses that browsers call secure. */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function newConversation(title: string): Conversation {
  const now = Date.now();
  return { id: newId(), title, createdAt: now, updatedAt: now, turns: [] };
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

/** What the model is asked with at a turn: everything said before it, and its prompt. Thinking stays behind. */
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

export function withTurn(conversation: Conversation, turnId: string, change: (turn: Turn) => Turn): Conversation {
  const turns = conversation.turns.map((turn) => (turn.id === turnId ? change(turn) : turn));
  return { ...conversation, turns };
}

/** Adds an answer, or replaces the one of the same id; it is shown. */
export function withAnswer(turn: Turn, answer: Answer): Turn {
  const at = turn.answers.findIndex(({ id }) => id === answer.id);
  if (at >= 0) return { ...turn, answers: turn.answers.with(at, answer) };
  return { ...turn, answers: [...turn.answers, answer], shown: turn.answers.length };
}

/** Answers that were coming when the page was closed are not coming any more. */
export function withoutRunning(conversation: Conversation): Conversation {
  const turns = conversation.turns.map((turn) => ({
    ...turn,
    answers: turn.answers.map((answer) =>
      answer.state === 'running' ? { ...answer, state: 'stopped' as const } : answer,
    ),
  }));
  return { ...conversation, turns };
}

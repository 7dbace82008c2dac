// Sends prompts and receives answers: one answer at a time in each conversation, whichever one is open meanwhile.
//
// Chunks are shown once per animation frame and stored every second and at the end, so that closing the page loses
// little. When grading fails, the answer has no verdict and is otherwise complete.
import { type Signal, signal } from '@preact/signals';
import type { ChatChunk } from '../../src/server/protocol-responses.ts';
import type { TaskProblem } from '../../src/server/protocol-tasks.ts';
import { chatChunks } from '../api/chat.ts';
import { gradeAnswer } from '../api/tasks.ts';
import { type Answer, messagesUpTo, newAnswer, newTurn, shownAnswer, withAnswer, withTurn } from './conversation.ts';
import { createConversation, findConversation, update } from './conversations.ts';
import { requestFields, settings } from './settings.ts';

interface RunningAnswer {
  readonly answer: Signal<Answer>;
  readonly stop: () => void;
}

const running = signal<ReadonlyMap<string, RunningAnswer>>(new Map());

const saveEveryMs = 1000;

/** Returns the answer in progress of a conversation, or null. */
export function runningIn(conversationId: string): RunningAnswer | null {
  return running.value.get(conversationId) ?? null;
}

function setRunning(conversationId: string, entry: RunningAnswer | null): void {
  const next = new Map(running.peek());
  if (entry === null) next.delete(conversationId);
  else next.set(conversationId, entry);
  running.value = next;
}

/** Returns the answer with a further chunk. */
export function withChunk(answer: Answer, { choices, usage }: ChatChunk, elapsedMs: number): Answer {
  const [choice] = choices;
  const thinking = choice?.delta.reasoning_content ?? '';
  const text = choice?.delta.content ?? '';
  const hasText = thinking !== '' || text !== '';
  return {
    ...answer,
    thinking: answer.thinking + thinking,
    text: answer.text + text,
    chunks: {
      thinking: answer.chunks.thinking + (thinking === '' ? 0 : 1),
      text: answer.chunks.text + (text === '' ? 0 : 1),
    },
    firstMs: answer.firstMs ?? (hasText ? elapsedMs : null),
    thinkingMs: answer.thinkingMs ?? (text !== '' && answer.thinking !== '' ? elapsedMs : null),
    state: choice?.finish_reason === 'tool_calls' ? 'stop' : (choice?.finish_reason ?? answer.state),
    totalMs: elapsedMs,
    usage: usage ?? answer.usage,
  };
}

/** Shows the latest answer once per animation frame; a hidden page, which has no frames, every 250 ms. */
class FrameUpdates {
  readonly #shown: Signal<Answer>;
  #latest: Answer;
  #isDue = false;

  constructor(shown: Signal<Answer>) {
    this.#shown = shown;
    this.#latest = shown.peek();
  }

  get latest(): Answer {
    return this.#latest;
  }

  set(answer: Answer): void {
    this.#latest = answer;
    if (this.#isDue) return;
    this.#isDue = true;
    const show = () => {
      if (!this.#isDue) return;
      this.#isDue = false;
      this.#shown.value = this.#latest;
    };
    requestAnimationFrame(show);
    setTimeout(show, 250);
  }
}

async function runAnswer(conversationId: string, turnId: string): Promise<void> {
  const conversation = findConversation(conversationId);
  if (conversation === null || running.peek().has(conversationId)) return;
  const messages = messagesUpTo(conversation, turnId, settings.peek().system);
  const request = { messages, ...requestFields() };
  const shown = signal(newAnswer(request.model ?? ''));
  const abort = new AbortController();
  setRunning(conversationId, { answer: shown, stop: () => abort.abort() });
  const save = (answer: Answer) =>
    update(conversationId, (now) => withTurn(now, turnId, (turn) => withAnswer(turn, answer)));
  save(shown.peek());
  const frames = new FrameUpdates(shown);
  const start = performance.now();
  const elapsed = () => performance.now() - start;
  let [savedAt, problem] = [start, null as string | null];
  try {
    for await (const chunk of chatChunks(request, abort.signal)) {
      frames.set(withChunk(frames.latest, chunk, elapsed()));
      if (performance.now() - savedAt < saveEveryMs) continue;
      savedAt = performance.now();
      save({ ...frames.latest, state: 'running' });
    }
  } catch (error) {
    if (!abort.signal.aborted) problem = (error as Error).message;
  }
  const { state, thinking, thinkingMs } = frames.latest;
  const totalMs = elapsed();
  const last: Answer = {
    ...frames.latest,
    state: problem !== null ? 'failed' : state === 'running' ? 'stopped' : state,
    totalMs,
    thinkingMs: thinkingMs ?? (thinking === '' ? null : totalMs),
    problem,
  };
  save(last);
  setRunning(conversationId, null);
  const task = conversation.turns.find(({ id }) => id === turnId)?.problem ?? null;
  if (task === null || (last.state !== 'stop' && last.state !== 'length')) return;
  const verdict = await gradeAnswer(task, last.thinking, last.text).catch(() => null);
  if (verdict !== null) save({ ...last, verdict });
}

/** Sends a prompt in a conversation, in a new one for null. `problem`: the task's problem that the prompt asks. */
export function send(conversationId: string | null, prompt: string, problem: TaskProblem | null = null): Promise<void> {
  const id = conversationId ?? createConversation(prompt).id;
  const turn = newTurn(prompt, problem);
  update(id, (now) => ({ ...now, turns: [...now.turns, turn] }));
  return runAnswer(id, turn.id);
}

/** Adds another answer to a turn, or replaces one that failed. Later turns are removed. */
export function regenerate(conversationId: string, turnId: string): Promise<void> {
  update(conversationId, (now) => {
    const at = now.turns.findIndex(({ id }) => id === turnId);
    return withTurn({ ...now, turns: now.turns.slice(0, at + 1) }, turnId, (turn) => {
      if (shownAnswer(turn)?.state !== 'failed') return turn;
      const answers = turn.answers.toSpliced(turn.shown, 1);
      return { ...turn, answers, shown: Math.max(0, answers.length - 1) };
    });
  });
  return runAnswer(conversationId, turnId);
}

/** Replaces the prompt of a turn. Its answers and later turns are removed. */
export function editPrompt(conversationId: string, turnId: string, prompt: string): Promise<void> {
  const turns = findConversation(conversationId)?.turns ?? [];
  const at = turns.findIndex(({ id }) => id === turnId);
  const turn = newTurn(prompt, turns[at]?.prompt === prompt ? (turns[at].problem ?? null) : null);
  update(conversationId, (now) => ({ ...now, turns: [...now.turns.slice(0, at), turn] }));
  return runAnswer(conversationId, turn.id);
}

export function showAnswer(conversationId: string, turnId: string, shown: number): void {
  update(conversationId, (now) => withTurn(now, turnId, (turn) => ({ ...turn, shown })), false);
}

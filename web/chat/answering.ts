// Asking and answering: one answer at a time in each conversation, wherever the reader goes meanwhile.
//
// What comes is gathered and shown once a frame. It is written to disk every second and at the end, so that a page that
// is closed loses little. A grader that does not answer costs its verdict, nothing else.
import { type Signal, signal } from '@preact/signals';
import type { ChatChunk } from '../../src/server/protocol-responses.ts';
import { chatChunks } from '../api/chat.ts';
import { serverInfo } from '../api/server-info.ts';
import { gradeAnswer } from '../api/tasks.ts';
import { type Answer, messagesUpTo, newAnswer, newId, shownAnswer, withAnswer, withTurn } from './conversation.ts';
import { createConversation, findConversation, update } from './conversations.ts';
import { samplingFields, settings } from './settings.ts';

interface Running {
  readonly answer: Signal<Answer>;
  readonly stop: () => void;
}

const running = signal<ReadonlyMap<string, Running>>(new Map());

const saveEveryMs = 1000;

/** What is being answered in a conversation, or null. */
export function runningIn(conversationId: string): Running | null {
  return running.value.get(conversationId) ?? null;
}

function setRunning(conversationId: string, entry: Running | null): void {
  const next = new Map(running.peek());
  if (entry === null) next.delete(conversationId);
  else next.set(conversationId, entry);
  running.value = next;
}

/** An answer, a chunk later. */
export function withChunk(answer: Answer, { choices, usage }: ChatChunk, elapsedMs: number): Answer {
  const [choice] = choices;
  const thought = choice?.delta.reasoning_content ?? '';
  const said = choice?.delta.content ?? '';
  const hasCome = thought !== '' || said !== '';
  return {
    ...answer,
    thinking: answer.thinking + thought,
    text: answer.text + said,
    chunks: {
      thinking: answer.chunks.thinking + (thought === '' ? 0 : 1),
      text: answer.chunks.text + (said === '' ? 0 : 1),
    },
    firstMs: answer.firstMs ?? (hasCome ? elapsedMs : null),
    thinkingMs: answer.thinkingMs ?? (said !== '' && answer.thinking !== '' ? elapsedMs : null),
    state: choice?.finish_reason ?? answer.state,
    totalMs: elapsedMs,
    usage: usage ?? answer.usage,
  };
}

function finishAnswer(answer: Answer, state: Answer['state'], totalMs: number, problem: string | null = null): Answer {
  const thinkingMs = answer.thinkingMs ?? (answer.thinking === '' ? null : totalMs);
  return { ...answer, state, totalMs, thinkingMs, problem };
}

/** Gathers chunks and lets them be seen once a frame; a page that nobody sees has no frames. */
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
  const { model, system } = settings.peek();
  const known = serverInfo.peek()?.models ?? [];
  const name = known.find(({ id }) => id === model)?.id ?? known[0]?.id ?? '';
  const shown = signal(newAnswer(name));
  const abort = new AbortController();
  setRunning(conversationId, { answer: shown, stop: () => abort.abort() });
  const save = (value: Answer) =>
    update(conversationId, (now) => withTurn(now, turnId, (turn) => withAnswer(turn, value)));
  save(shown.peek());
  const frames = new FrameUpdates(shown);
  const start = performance.now();
  const elapsed = () => performance.now() - start;
  let [savedAt, problem] = [start, null as string | null];
  try {
    const messages = messagesUpTo(conversation, turnId, system);
    const request = { messages, ...(name !== '' && { model: name }), ...samplingFields() };
    for await (const chunk of chatChunks(request, abort.signal)) {
      frames.set(withChunk(frames.latest, chunk, elapsed()));
      if (performance.now() - savedAt < saveEveryMs) continue;
      savedAt = performance.now();
      save({ ...frames.latest, state: 'running' });
    }
  } catch (error) {
    if (!abort.signal.aborted) problem = (error as Error).message;
  }
  const { state } = frames.latest;
  const reason = problem !== null ? 'failed' : state === 'running' ? 'stopped' : state;
  const last = finishAnswer(frames.latest, reason, elapsed(), problem);
  save(last);
  setRunning(conversationId, null);
  await judge(conversationId, turnId, last);
}

async function judge(conversationId: string, turnId: string, value: Answer): Promise<void> {
  if (value.state !== 'stop' && value.state !== 'length') return;
  const prompt = findConversation(conversationId)?.turns.find(({ id }) => id === turnId)?.prompt;
  if (prompt === undefined) return;
  const verdict = await gradeAnswer(prompt, value.thinking, value.text).catch(() => null);
  if (verdict === null) return;
  update(conversationId, (now) => withTurn(now, turnId, (turn) => withAnswer(turn, { ...value, verdict })));
}

/** Says something in a conversation, in a new one where there is none. */
export function send(conversationId: string | null, prompt: string): Promise<void> {
  const id = conversationId ?? createConversation(prompt).id;
  const turn = { id: newId(), prompt, answers: [], shown: 0 };
  update(id, (now) => ({ ...now, turns: [...now.turns, turn] }));
  return runAnswer(id, turn.id);
}

/** Another answer to a turn; one that failed makes room. What was said after it is gone. */
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

/** Asks otherwise: what was answered to it and said after it is gone. */
export function editPrompt(conversationId: string, turnId: string, prompt: string): Promise<void> {
  const turn = { id: newId(), prompt, answers: [], shown: 0 };
  update(conversationId, (now) => {
    const at = now.turns.findIndex(({ id }) => id === turnId);
    return { ...now, turns: [...now.turns.slice(0, at), turn] };
  });
  return runAnswer(conversationId, turn.id);
}

export function showAnswer(conversationId: string, turnId: string, shown: number): void {
  update(conversationId, (now) => withTurn(now, turnId, (turn) => ({ ...turn, shown })), false);
}

// Events of an answer as Ollama's objects: one on each line of a stream, or all of them put together.
import type { TextModel } from '../../engine/index.ts';
import type { Answer } from '../answering.ts';
import type { AnswerEnd, AnswerEvent } from '../conversation.ts';
import { totalUsage } from '../generating.ts';
import { chatToken } from '../token-text.ts';

interface Call {
  readonly id: string;
  readonly function: { readonly name: string; readonly arguments: unknown };
}

/** What an object adds to the answer. */
export interface Piece {
  readonly content: string;
  readonly thinking: string;
  readonly calls: readonly Call[];
  readonly logprobs: readonly object[];
}

/** The fields in which a route writes a piece. */
export type WritePiece = (piece: Piece) => object;

export const writeMessage: WritePiece = ({ content, thinking, calls }) => ({
  message: {
    role: 'assistant',
    content,
    ...(thinking !== '' && { thinking }),
    ...(calls.length > 0 && { tool_calls: calls }),
  },
});

export const writeResponse: WritePiece = ({ content, thinking }) => ({
  response: content,
  ...(thinking !== '' && { thinking }),
});

const nothing: Piece = { content: '', thinking: '', calls: [], logprobs: [] };

/** Reads events into pieces; a call is a piece once its arguments are complete, or text where they are cut off. */
class Pieces {
  readonly #model: TextModel;
  readonly #top: number | null;
  #call: { readonly id: string; readonly name: string; text: string } | null = null;

  constructor(model: TextModel, top: number | null) {
    this.#model = model;
    this.#top = top;
  }

  read(event: Exclude<AnswerEvent, AnswerEnd>): Piece | null {
    if (event.type === 'part') {
      const { channel, text, tokens } = event;
      const { tokenizer } = this.#model.tokenizer;
      const top = this.#top;
      const logprobs = top === null ? [] : tokens.map((token) => chatToken(tokenizer, token, top));
      if (text === '' && logprobs.length === 0) return null;
      return { ...nothing, logprobs, [channel === 'thinking' ? 'thinking' : 'content']: text };
    }
    if (event.type === 'tool-call') this.#call = { id: event.id, name: event.name, text: '' };
    else if (this.#call === null) throw new Error(`broken invariant: ${event.type} without a call`);
    else if (event.type === 'tool-arguments') this.#call.text += event.text;
    else {
      const { id, name, text } = this.#call;
      this.#call = null;
      return { ...nothing, calls: [{ id, function: { name, arguments: JSON.parse(text === '' ? '{}' : text) } }] };
    }
    return null;
  }

  /** Returns the call that was cut off, as text, so that nothing is lost. */
  rest(): Piece {
    if (this.#call === null) return nothing;
    const { name, text } = this.#call;
    return { ...nothing, content: `{"name": ${JSON.stringify(name)}, "arguments": ${text}` };
  }
}

const nanoseconds = (ms: number) => Math.round(ms * 1e6);

function ending(end: AnswerEnd): object {
  const usage = totalUsage([end], 1);
  return {
    done: true,
    done_reason: end.finishReason,
    total_duration: nanoseconds(end.totalMs),
    load_duration: 0,
    prompt_eval_count: usage.prompt_tokens,
    prompt_eval_duration: nanoseconds(end.firstTokenMs),
    eval_count: usage.completion_tokens,
    eval_duration: nanoseconds(end.totalMs - end.firstTokenMs),
  };
}

const head = (name: string) => ({ model: name, created_at: new Date().toISOString() });

/** Yields the objects of a stream. `name`: the model as the client called it; `top`: alternatives, null: none. */
export async function* answerObjects(
  { model, events }: Pick<Answer, 'model' | 'events'>,
  name: string,
  top: number | null,
  write: WritePiece,
): AsyncGenerator<object> {
  const pieces = new Pieces(model, top);
  for await (const [, event] of events) {
    if (event.type === 'end') yield { ...head(name), ...write(pieces.rest()), ...ending(event) };
    else {
      const piece = pieces.read(event);
      const logprobs = piece && piece.logprobs.length > 0 ? { logprobs: piece.logprobs } : {};
      if (piece !== null) yield { ...head(name), ...write(piece), done: false, ...logprobs };
    }
  }
}

/** Returns the answer as one object. */
export async function wholeAnswer(
  { model, events }: Pick<Answer, 'model' | 'events'>,
  name: string,
  top: number | null,
  write: WritePiece,
): Promise<object> {
  const pieces = new Pieces(model, top);
  const read: Piece[] = [];
  let last: object = {};
  for await (const [, event] of events)
    if (event.type === 'end') {
      last = ending(event);
      read.push(pieces.rest());
    } else read.push(pieces.read(event) ?? nothing);
  const logprobs = read.flatMap((piece) => piece.logprobs);
  const all: Piece = {
    content: read.map(({ content }) => content).join(''),
    thinking: read.map(({ thinking }) => thinking).join(''),
    calls: read.flatMap(({ calls }) => calls),
    logprobs,
  };
  return { ...head(name), ...write(all), ...last, ...(logprobs.length > 0 && { logprobs }) };
}

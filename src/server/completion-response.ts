// The answer to a generation request, as one JSON object or as server-sent events: what chat and completions share.
//
// A format writes the events of one choice as the fields of its route; the object is its chunks put together. In a
// stream, usage is on the last chunk, unless the profile has none; stream_options.include_usage moves it to one of its
// own without choices (true) or leaves it out (false). An error that happens after the first byte is a last event
// instead of a status.
import type { TextModel } from '../engine/index.ts';
import type { IndexedAnswerEvent } from './answering.ts';
import type { Call, ServerContext } from './context.ts';
import type { AnswerEnd, AnswerEvent } from './conversation.ts';
import { toApiError } from './errors.ts';
import { dataFrame, serverSentEvents } from './event-stream.ts';
import { totalUsage } from './generating.ts';
import { jsonPieces, jsonResponse } from './json-response.ts';
import type { CompletionRequest } from './protocol.ts';
import { streamResponse } from './stream-response.ts';

/** Writes one choice. `Chunk` holds the fields of a choice in a chunk, without its index and finish_reason. */
export interface ChoiceFormat<Chunk extends object = object> {
  /** The chunk before anything is generated; null: there is none. */
  readonly first: Chunk | null;
  /** The chunk of an event; null: the event holds nothing that a client reads. */
  part(event: Exclude<AnswerEvent, AnswerEnd>): Chunk | null;
  /** The chunk that carries the finish reason. A promise where it takes long, so that others have their turn. */
  last(end: AnswerEnd): Chunk | Promise<Chunk>;
  /** The fields of the choice in a single object. */
  join(chunks: readonly Chunk[]): object;
}

export interface ResponseSpec<Chunk extends object> {
  readonly model: TextModel;
  readonly events: AsyncIterable<IndexedAnswerEvent>;
  /** One for each choice: the choices of the first prompt, those of the second, ... */
  readonly formats: readonly ChoiceFormat<Chunk>[];
  readonly choicesPerPrompt: number;
  readonly idPrefix: string;
  /** The `object` fields of a single response and of a chunk. */
  readonly objects: { readonly whole: string; readonly chunk: string };
  /** Further fields of the object: those of the first chunk, and those of the last. @default none */
  readonly front?: object;
  readonly back?: (ends: readonly AnswerEnd[]) => object;
}

type Choices<Chunk extends object> = AsyncIterable<readonly [index: number, chunk: Chunk | null, end?: AnswerEnd]>;

/** Yields the chunks of all choices as they arrive. Throws the error of a generation that fails or is aborted. */
async function* writeChunks<Chunk extends object>({ events, formats }: ResponseSpec<Chunk>): Choices<Chunk> {
  for await (const [index, event] of events) {
    const format = formats[index];
    if (event.type === 'end') yield [index, await format.last(event), event];
    else yield [index, format.part(event)];
  }
}

/** The reason in the API's words: an answer that calls functions stops for their results. */
const finishReason = ({ finishReason: reason, calls }: AnswerEnd) =>
  reason === 'stop' && calls > 0 ? 'tool_calls' : reason;

/** Returns the fields at the front of the object or of every chunk. */
function newHead(prefix: string, object: string, { name, fingerprint }: TextModel): object {
  const id = `${prefix}-${crypto.randomUUID().replaceAll('-', '')}`;
  return { id, object, created: Math.floor(Date.now() / 1000), model: name, system_fingerprint: fingerprint };
}

async function* frames<Chunk extends object>(
  { onError }: ServerContext,
  { model, formats, choicesPerPrompt, idPrefix, objects, front: fields = {}, back }: ResponseSpec<Chunk>,
  chunks: Choices<Chunk>,
  includeUsage: boolean | null,
): AsyncGenerator<string> {
  const front = JSON.stringify(newHead(idPrefix, objects.chunk, model)).slice(0, -1);
  /** `usage` undefined: the chunk has no such field. */
  const frame = (choices: readonly object[], usage?: object | null, more: object = {}) => {
    const end = { ...(usage !== undefined && { usage }), ...more };
    const rest = Object.keys(end).length === 0 ? '}' : `,${JSON.stringify(end).slice(1)}`;
    return dataFrame(`${front},"choices":${JSON.stringify(choices)}${rest}`);
  };
  const noUsage = includeUsage === false ? undefined : null;
  const ends: AnswerEnd[] = [];
  const opening = formats.flatMap(({ first }, index) =>
    first === null ? [] : frame([{ index, ...first, finish_reason: null }], noUsage, index === 0 ? fields : {}),
  );
  try {
    if (opening.length > 0) yield opening.join('');
    for await (const [index, chunk, end] of chunks) {
      if (chunk === null) continue;
      if (end !== undefined) ends[index] = end;
      const isLast = end !== undefined && Object.keys(ends).length === formats.length;
      const usage = isLast && includeUsage === null ? totalUsage(ends, choicesPerPrompt) : noUsage;
      const more = isLast && back !== undefined ? back(ends) : {};
      yield frame([{ index, ...chunk, finish_reason: end ? finishReason(end) : null }], usage, more);
    }
    if (includeUsage) yield frame([], totalUsage(ends, choicesPerPrompt));
    yield dataFrame('[DONE]');
  } catch (error) {
    const problem = toApiError(error);
    if (problem.status === 500) onError(error);
    yield dataFrame(JSON.stringify(problem.body));
  }
}

async function whole<Chunk extends object>(
  { model, formats, choicesPerPrompt, idPrefix, objects, front = {}, back }: ResponseSpec<Chunk>,
  chunks: Choices<Chunk>,
): Promise<object> {
  const parts: Chunk[][] = formats.map(({ first }) => (first === null ? [] : [first]));
  const ends: AnswerEnd[] = [];
  for await (const [index, chunk, end] of chunks) {
    if (chunk !== null) parts[index].push(chunk);
    if (end !== undefined) ends[index] = end;
  }
  const choices = formats.map((format, index) => ({
    index,
    ...format.join(parts[index]),
    finish_reason: finishReason(ends[index]),
  }));
  const head = newHead(idPrefix, objects.whole, model);
  return { ...head, choices, usage: totalUsage(ends, choicesPerPrompt), ...front, ...back?.(ends) };
}

/** Writes all choices as one object or as a stream. */
export async function completionResponse<Chunk extends object>(
  context: ServerContext,
  call: Call,
  spec: ResponseSpec<Chunk>,
  { stream, stream_options: options }: Pick<CompletionRequest, 'stream' | 'stream_options'>,
): Promise<Response> {
  const chunks = writeChunks(spec);
  if (!stream) return jsonResponse(jsonPieces(await whole(spec, chunks)));
  const usage = options?.include_usage ?? (context.profile.streamsUsage ? null : false);
  return streamResponse(context, call, frames(context, spec, chunks, usage), serverSentEvents);
}

// The answer to a generation request, as one JSON object or as server-sent events: what chat and completions share.
//
// A format writes the events of one choice as the fields of its route; the object is its chunks put together. In a
// stream, usage is on the last chunk; stream_options.include_usage moves it to one of its own without choices (true) or
// leaves it out (false). An error that happens after the first byte is a last event instead of a status.
import type { GenerateOptions, GenerationEnd, GenerationPart, TextModel } from '../engine/index.ts';
import type { Call, ServerContext } from './context.ts';
import { toApiError } from './errors.ts';
import { dataFrame, eventStream, streamHeaders } from './event-stream.ts';
import { type IndexedEvent, startGenerations, toFailure, totalUsage } from './generating.ts';
import { jsonPieces, jsonResponse } from './json-response.ts';
import type { CompletionRequest } from './protocol.ts';

/** Writes one choice. `Chunk` holds the fields of a choice in a chunk, without its index and finish_reason. */
export interface ChoiceFormat<Chunk extends object = object> {
  /** The chunk before anything is generated; null: there is none. */
  readonly first: Chunk | null;
  /** The chunk of a part; null: the part holds nothing that a client reads. */
  part(part: GenerationPart): Chunk | null;
  /** The chunk that carries the finish reason. A promise where it takes long, so that others have their turn. */
  last(end: GenerationEnd): Chunk | Promise<Chunk>;
  /** The fields of the choice in a single object. */
  join(chunks: readonly Chunk[]): object;
}

export interface Generation<Chunk extends object> {
  readonly prompt: ArrayLike<number>;
  readonly options: GenerateOptions;
  readonly format: ChoiceFormat<Chunk>;
}

export interface ResponseSpec<Chunk extends object> {
  readonly model: TextModel;
  /** One for each choice: the choices of the first prompt, those of the second, ... */
  readonly generations: readonly Generation<Chunk>[];
  readonly choicesPerPrompt: number;
  readonly idPrefix: string;
  /** The `object` fields of a single response and of a chunk. */
  readonly objects: { readonly whole: string; readonly chunk: string };
}

type Choices<Chunk extends object> = AsyncIterable<readonly [index: number, chunk: Chunk | null, end?: GenerationEnd]>;

/** Yields the chunks of all choices as they arrive. Throws the error of a generation that fails or is aborted. */
async function* generateChunks<Chunk extends object>(
  { metrics }: ServerContext,
  { lease }: Call,
  { model, generations }: ResponseSpec<Chunk>,
  events: AsyncIterable<IndexedEvent>,
): Choices<Chunk> {
  for await (const [index, event] of events) {
    const { format } = generations[index];
    if (event.type === 'part') {
      yield [index, format.part(event)];
      continue;
    }
    metrics.observe(model.name, event);
    const failure = toFailure(event, lease);
    if (failure !== null) throw failure;
    yield [index, await format.last(event), event];
  }
}

/** Returns the fields at the front of the object or of every chunk. */
function newHead(prefix: string, object: string, { name, fingerprint }: TextModel): object {
  const id = `${prefix}-${crypto.randomUUID().replaceAll('-', '')}`;
  return { id, object, created: Math.floor(Date.now() / 1000), model: name, system_fingerprint: fingerprint };
}

async function* frames<Chunk extends object>(
  { onError }: ServerContext,
  { model, generations, choicesPerPrompt, idPrefix, objects }: ResponseSpec<Chunk>,
  chunks: Choices<Chunk>,
  includeUsage: boolean | null,
): AsyncGenerator<string> {
  const front = JSON.stringify(newHead(idPrefix, objects.chunk, model)).slice(0, -1);
  /** `usage` undefined: the chunk has no such field. */
  const frame = (choices: readonly object[], usage?: object | null) => {
    const end = usage === undefined ? '' : `,"usage":${JSON.stringify(usage)}`;
    return dataFrame(`${front},"choices":${JSON.stringify(choices)}${end}}`);
  };
  const noUsage = includeUsage ? null : undefined;
  const ends: GenerationEnd[] = [];
  const opening = generations.flatMap(({ format: { first } }, index) =>
    first === null ? [] : frame([{ index, ...first, finish_reason: null }], noUsage),
  );
  try {
    if (opening.length > 0) yield opening.join('');
    for await (const [index, chunk, end] of chunks) {
      if (chunk === null) continue;
      if (end !== undefined) ends[index] = end;
      const isLast = end !== undefined && Object.keys(ends).length === generations.length;
      const usage = isLast && includeUsage === null ? totalUsage(ends, choicesPerPrompt) : noUsage;
      yield frame([{ index, ...chunk, finish_reason: end?.finishReason ?? null }], usage);
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
  { model, generations, choicesPerPrompt, idPrefix, objects }: ResponseSpec<Chunk>,
  chunks: Choices<Chunk>,
): Promise<object> {
  const parts: Chunk[][] = generations.map(({ format: { first } }) => (first === null ? [] : [first]));
  const ends: GenerationEnd[] = [];
  for await (const [index, chunk, end] of chunks) {
    if (chunk !== null) parts[index].push(chunk);
    if (end !== undefined) ends[index] = end;
  }
  const choices = generations.map(({ format }, index) => ({
    index,
    ...format.join(parts[index]),
    finish_reason: ends[index].finishReason,
  }));
  return { ...newHead(idPrefix, objects.whole, model), choices, usage: totalUsage(ends, choicesPerPrompt) };
}

/** Generates all choices and answers with them. Throws RefusedError when the engine refuses one of them at once. */
export async function completionResponse<Chunk extends object>(
  context: ServerContext,
  call: Call,
  spec: ResponseSpec<Chunk>,
  { stream, stream_options: options }: Pick<CompletionRequest, 'stream' | 'stream_options'>,
): Promise<Response> {
  const events = startGenerations(spec.model, spec.generations, call.lease);
  const chunks = generateChunks(context, call, spec, events);
  if (!stream) return jsonResponse(jsonPieces(await whole(spec, chunks)));
  const body = eventStream(frames(context, spec, chunks, options?.include_usage ?? null), {
    keepAliveMs: context.keepAliveMs,
    stallMs: context.stallMs,
    onAbort: (reason) => call.lease.abort(reason),
    onEnd: () => call.lease.release(),
    drop: call.drop,
  });
  return new Response(body, { headers: streamHeaders });
}

// POST v1/chat/completions as a stream of chunks.
import type { ChatRequest } from '../../src/server/protocol.ts';
import type { ChatChunk, ErrorBody } from '../../src/server/protocol-responses.ts';
import { ApiProblem, post } from './http.ts';
import { serverEvents } from './server-events.ts';

const connectionLost = 'The connection was lost before the answer was complete.';

/** Yields the chunks of an answer. Throws ApiProblem or, once aborted, the signal's reason. */
export async function* chatChunks(request: ChatRequest, signal: AbortSignal): AsyncGenerator<ChatChunk> {
  const response = await post('v1/chat/completions', { ...request, stream: true }, signal);
  try {
    for await (const data of serverEvents(response.body as ReadableStream<Uint8Array<ArrayBuffer>>)) {
      if (data === '[DONE]') return;
      const chunk = JSON.parse(data) as ChatChunk | ErrorBody;
      if ('error' in chunk) throw new ApiProblem(response.status, chunk.error.message, chunk.error.code);
      yield chunk;
    }
  } catch (error) {
    if (signal.aborted || error instanceof ApiProblem) throw error;
    throw new ApiProblem(0, connectionLost);
  }
  throw new ApiProblem(0, connectionLost);
}

// A JSON response that is written piece by piece, so that a large one neither blocks the event loop nor fills memory.

const encoder = new TextEncoder();

/** Answers with JSON whose text is the pieces. Each is made when the client has read those before. */
export function jsonResponse(pieces: Iterator<string>): Response {
  const source = {
    async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
      await new Promise((resolve) => setImmediate(resolve)); // others have their turn
      const { done, value } = pieces.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
  };
  const stream = new ReadableStream<Uint8Array>(source, { highWaterMark: 0 });
  return new Response(stream, { headers: { 'content-type': 'application/json' } });
}

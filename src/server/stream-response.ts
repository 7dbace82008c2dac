// An answer as a stream: in the framing of its protocol, with a sign of life while nothing comes, and its slot freed
// when it ends.
import type { Call, ServerContext } from './context.ts';
import { eventStream, type Framing } from './event-stream.ts';

/** `frames` must not reject: an error is a frame too. */
export function streamResponse(
  { keepAliveMs, stallMs }: ServerContext,
  { lease, record, drop }: Call,
  frames: AsyncIterator<string>,
  { headers, keepAlive }: Framing,
): Response {
  record.isStreaming = true;
  const body = eventStream(frames, {
    keepAlive,
    keepAliveMs,
    stallMs,
    onAbort: (reason) => lease.abort(reason),
    onEnd: () => {
      lease.release();
      record.end();
    },
    drop,
  });
  return new Response(body, { headers: { ...headers } });
}

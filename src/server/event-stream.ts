// Server-sent events, written as fast as they are read and no faster.
//
// A frame is made when the reader asks for one; while none is there, a comment goes out every few seconds, so that
// proxies keep the connection. A reader that has not asked again for `stallMs` is given up, and so is a generation whose
// reader went away: both end the frames at once.
export interface EventStreamOptions {
  readonly keepAliveMs: number;
  readonly stallMs: number;
  /** The reader left, or stalled. */
  readonly onAbort: (reason: 'client' | 'stalled') => void;
  /** Exactly once, when nothing more will be written. */
  readonly onEnd: () => void;
  /** Closes the connection under a stalled reader, where there is one. */
  readonly drop?: (() => void) | undefined;
}

const keepAlive = ': keep-alive\n\n';
const encoder = new TextEncoder();

export const streamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
};

export function dataFrame(json: string): string {
  return `data: ${json}\n\n`;
}

/** `frames` never reject: what goes wrong is a frame too. */
export function eventStream(frames: AsyncIterator<string>, options: EventStreamOptions): ReadableStream<Uint8Array> {
  const { keepAliveMs, stallMs, onAbort, onEnd, drop } = options;
  let pending: Promise<IteratorResult<string>> | null = null;
  let stall: NodeJS.Timeout | undefined;
  let hasEnded = false;
  const end = (): void => {
    clearTimeout(stall);
    if (hasEnded) return;
    hasEnded = true;
    onEnd();
  };
  const abort = (reason: 'client' | 'stalled'): void => {
    if (hasEnded) return;
    onAbort(reason);
    frames.return?.().catch(() => {});
    end();
  };
  /** The next frame, or null when it lets itself be waited for. */
  const nextFrame = async (): Promise<IteratorResult<string> | null> => {
    pending ??= frames.next();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(resolve, keepAliveMs, null);
    });
    const result = await Promise.race([pending, late]);
    clearTimeout(timer);
    if (result !== null) pending = null;
    return result;
  };
  const watch = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    stall = setTimeout(() => {
      abort('stalled');
      if (drop === undefined) controller.error(new Error(`the reader took nothing for ${stallMs} ms`));
      else drop();
    }, stallMs);
  };
  return new ReadableStream<Uint8Array>(
    {
      start: watch,
      async pull(controller) {
        clearTimeout(stall);
        const result = await nextFrame();
        if (hasEnded) return;
        if (result?.done) {
          controller.close();
          return end();
        }
        controller.enqueue(encoder.encode(result === null ? keepAlive : result.value));
        watch(controller);
      },
      cancel() {
        abort('client');
      },
    },
    { highWaterMark: 0 },
  );
}

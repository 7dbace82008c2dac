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
class Writer {
  readonly #frames: AsyncIterator<string>;
  readonly #options: EventStreamOptions;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  /** While the reader waits for us. */
  #resume: (() => void) | null = null;
  /** A frame is being made. */
  #isPending = false;
  /** A frame that came while nobody waited. */
  #ready: IteratorResult<string> | null = null;
  #late!: NodeJS.Timeout;
  #stall!: NodeJS.Timeout;
  #hasEnded = false;

  constructor(frames: AsyncIterator<string>, options: EventStreamOptions) {
    this.#frames = frames;
    this.#options = options;
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    const { keepAliveMs, stallMs, drop } = this.#options;
    this.#controller = controller;
    this.#late = setTimeout(() => this.#resume !== null && this.#write(keepAlive), keepAliveMs);
    this.#stall = setTimeout(() => {
      if (this.#resume !== null || this.#hasEnded) return;
      this.#abort('stalled');
      if (drop === undefined) controller.error(new Error(`the reader took nothing for ${stallMs} ms`));
      else drop();
    }, stallMs);
  }

  pull(): Promise<void> | undefined {
    const ready = this.#ready;
    this.#ready = null;
    if (ready !== null) {
      this.#deliver(ready);
      return undefined;
    }
    this.#late.refresh();
    if (!this.#isPending) {
      this.#isPending = true;
      void this.#frames.next().then((frame) => {
        this.#isPending = false;
        if (this.#hasEnded) return;
        if (this.#resume === null) this.#ready = frame;
        else this.#deliver(frame);
      });
    }
    return new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  cancel(): void {
    this.#abort('client');
  }

  #deliver({ done, value }: IteratorResult<string>): void {
    if (!done) {
      this.#write(value);
      return;
    }
    this.#controller.close();
    this.#end();
  }

  #write(text: string): void {
    this.#controller.enqueue(encoder.encode(text));
    this.#stall.refresh();
    this.#resume?.();
    this.#resume = null;
  }

  #abort(reason: 'client' | 'stalled'): void {
    if (this.#hasEnded) return;
    this.#options.onAbort(reason);
    this.#frames.return?.().catch(() => {});
    this.#end();
  }

  #end(): void {
    this.#hasEnded = true;
    clearTimeout(this.#late);
    clearTimeout(this.#stall);
    this.#resume?.();
    this.#resume = null;
    this.#options.onEnd();
  }
}

export function eventStream(frames: AsyncIterator<string>, options: EventStreamOptions): ReadableStream<Uint8Array> {
  return new ReadableStream(new Writer(frames, options), { highWaterMark: 0 });
}

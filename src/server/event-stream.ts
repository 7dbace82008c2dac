// Server-sent events, written only as fast as they are read.
//
// A frame is made when the reader asks for one. While none is ready, a comment goes out every few seconds, so that
// proxies keep the connection open. The frames end at once when the reader leaves or reads nothing during `stallMs`.
export interface EventStreamOptions {
  /** Written while no frame is ready. @default a comment of server-sent events */
  readonly keepAlive?: string;
  readonly keepAliveMs: number;
  readonly stallMs: number;
  /** Called when the reader leaves or stalls. */
  readonly onAbort: (reason: 'client' | 'stalled') => void;
  /** Called exactly once, when nothing more will be written. */
  readonly onEnd: () => void;
  /** Closes the connection of a stalled reader; undefined without a socket. */
  readonly drop?: (() => void) | undefined;
}

const encoder = new TextEncoder();

const unbuffered = { 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' };

export const streamHeaders = { 'content-type': 'text/event-stream; charset=utf-8', ...unbuffered };

/** How the frames of a stream are told apart. */
export interface Framing {
  readonly headers: Readonly<Record<string, string>>;
  /** Nothing to a client. */
  readonly keepAlive: string;
}

export const serverSentEvents: Framing = { headers: streamHeaders, keepAlive: ': keep-alive\n\n' };

/** A JSON value on each line. */
export const jsonLines: Framing = {
  headers: { 'content-type': 'application/x-ndjson', ...unbuffered },
  keepAlive: ' ',
};

export function dataFrame(json: string): string {
  return `data: ${json}\n\n`;
}

/** An event with its name beside its data. */
export function namedFrame(event: { readonly type: string; readonly [field: string]: unknown }): string {
  return `event: ${event.type}\n${dataFrame(JSON.stringify(event))}`;
}

/** The underlying source of the stream. `frames` must not reject: an error is a frame too. */
class Writer {
  readonly #frames: AsyncIterator<string>;
  readonly #options: EventStreamOptions;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  /** Resolves the pending pull; null while the reader waits for nothing. */
  #resume: (() => void) | null = null;
  /** Whether a frame is being made. */
  #isPending = false;
  /** A frame that became ready while no pull was pending. */
  #ready: IteratorResult<string> | null = null;
  #late!: NodeJS.Timeout;
  #stall!: NodeJS.Timeout;
  #hasEnded = false;

  constructor(frames: AsyncIterator<string>, options: EventStreamOptions) {
    this.#frames = frames;
    this.#options = options;
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    const { keepAlive = serverSentEvents.keepAlive, keepAliveMs, stallMs, drop } = this.#options;
    this.#controller = controller;
    this.#late = setTimeout(() => this.#resume !== null && this.#write(keepAlive), keepAliveMs);
    this.#stall = setTimeout(() => {
      if (this.#resume !== null || this.#hasEnded) return;
      this.#abort('stalled');
      if (drop === undefined) controller.error(new Error(`the client read nothing for ${stallMs} ms`));
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

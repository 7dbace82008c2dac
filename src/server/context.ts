// What every route knows: the models, the limits, the books.
import type { TextModel } from '../engine/index.ts';
import { ApiError } from './errors.ts';
import { dataFrame, eventStream, streamHeaders } from './event-stream.ts';
import type { Lease, LiveRequests } from './live.ts';
import type { Metrics } from './metrics.ts';

export interface ServerContext {
  readonly models: readonly TextModel[];
  readonly aliases: Readonly<Record<string, string>>;
  readonly live: LiveRequests;
  readonly metrics: Metrics;
  readonly maxBodyBytes: number;
  readonly keepAliveMs: number;
  readonly stallMs: number;
  readonly startedAt: number;
  /** Told of errors that are our fault. */
  readonly onError: (error: unknown) => void;
}

/** One request on its way. */
export interface Call {
  readonly lease: Lease;
  /** Closes the connection, where there is one. */
  readonly drop: (() => void) | undefined;
}

const noModel = { code: 'model_not_found' } as const;

/** Throws ApiError 404, which lists the models there are. */
export function findModel({ models, aliases }: ServerContext, asked: string | null | undefined): TextModel {
  const [first] = models;
  if (first === undefined) throw new ApiError(404, 'no model is served here: start minke serve with one', noModel);
  if (asked === null || asked === undefined) return first;
  const name = Object.hasOwn(aliases, asked) ? aliases[asked] : asked;
  const found = models.find((model) => model.name === name);
  if (found !== undefined) return found;
  const known = [...models.map((model) => model.name), ...Object.keys(aliases)].join(', ');
  throw new ApiError(404, `model ${JSON.stringify(asked)} is not served: use one of ${known}`, {
    param: 'model',
    ...noModel,
  });
}

/** What stands at the front of every answer, whole or in parts. */
export interface ResponseHead {
  readonly id: string;
  readonly object: string;
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint: string;
}

export function newHead(prefix: string, object: string, { name, fingerprint }: TextModel): ResponseHead {
  const created = Math.floor(Date.now() / 1000);
  const id = `${prefix}-${crypto.randomUUID().replaceAll('-', '')}`;
  return { id, object, created, model: name, system_fingerprint: fingerprint };
}

/** Writes chunks of one answer: what is the same in all of them is made once. */
export class ChunkWriter {
  readonly #front: string;

  constructor(head: ResponseHead) {
    this.#front = JSON.stringify(head).slice(0, -1);
  }

  /** `usage` undefined: no such field. */
  frame(choices: readonly object[], usage?: object | null): string {
    const end = usage === undefined ? '' : `,"usage":${JSON.stringify(usage)}`;
    return dataFrame(`${this.#front},"choices":${JSON.stringify(choices)}${end}}`);
  }
}

export function streamResponse(context: ServerContext, { lease, drop }: Call, frames: AsyncIterator<string>): Response {
  const stream = eventStream(frames, {
    keepAliveMs: context.keepAliveMs,
    stallMs: context.stallMs,
    onAbort: (reason) => lease.abort(reason),
    onEnd: () => lease.release(),
    drop,
  });
  return new Response(stream, { headers: streamHeaders });
}

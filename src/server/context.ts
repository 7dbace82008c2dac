// What every route knows: the models, the limits, the metrics.
import type { TextModel } from '../engine/index.ts';
import type { Grading } from '../tasks/index.ts';
import { ApiError } from './errors.ts';
import type { ResponseStore } from './faces/response-store.ts';
import type { IgnoredFields, IgnoredFieldsPolicy } from './ignored-fields.ts';
import type { Lease, LiveRequests } from './live.ts';
import type { Metrics } from './metrics.ts';
import type { Profile } from './profiles.ts';
import type { TaskResults } from './protocol-tasks.ts';
import type { RequestRecord } from './request-log.ts';

export interface ServerContext {
  readonly models: readonly TextModel[];
  readonly aliases: Readonly<Record<string, string>>;
  readonly live: LiveRequests;
  readonly metrics: Metrics;
  readonly maxBodyBytes: number;
  readonly keepAliveMs: number;
  readonly stallMs: number;
  readonly taskResults: Readonly<Record<string, TaskResults>>;
  /** Tasks besides the bundled ones. */
  readonly tasks: readonly Grading[];
  readonly ignoredFields: IgnoredFieldsPolicy;
  readonly profile: Profile;
  /** Answers that later requests may continue. */
  readonly responses: ResponseStore;
  /** Unix time in seconds. */
  readonly startedAt: number;
  /** Receives errors that are the server's fault. */
  readonly onError: (error: unknown) => void;
}

/** A generation request in progress. */
export interface Call {
  readonly lease: Lease;
  /** Closes the connection; undefined without a socket. */
  readonly drop: (() => void) | undefined;
  /** The fields of the request that are not used. */
  readonly ignored: IgnoredFields;
  readonly record: RequestRecord;
}

const noModel = { code: 'model_not_found' } as const;

/** Finds a model by name or alias. null or undefined: the first model. Throws ApiError 404, which lists the models. */
export function findModel({ models, aliases }: ServerContext, requested: string | null | undefined): TextModel {
  const [first] = models;
  if (first === undefined)
    throw new ApiError(404, 'no model is served: start the server with minke serve MODEL', noModel);
  if (requested === null || requested === undefined) return first;
  const name = Object.hasOwn(aliases, requested) ? aliases[requested] : requested;
  const found = models.find((model) => model.name === name);
  if (found !== undefined) return found;
  const known = [...models.map((model) => model.name), ...Object.keys(aliases)].join(', ');
  throw new ApiError(404, `model ${JSON.stringify(requested)} is not served: use one of ${known}`, {
    param: 'model',
    ...noModel,
  });
}

// The server module: the API of DeepSeek and OpenAI over any TextModel, as a function and on a socket.
export { type App, type AppOptions, createApp } from './app.ts';
export { readJson as readBody } from './body.ts';
export { ApiError, type ErrorStatus, validate } from './errors.ts';
export { dataFrame, type EventStreamOptions, eventStream, streamHeaders } from './event-stream.ts';
export type { GuardOptions } from './guard.ts';
export { listen, type RunningServer, type ServerOptions } from './listen.ts';
export type { ProfileName } from './profiles.ts';
export type {
  ChatMessage,
  ChatRequest,
  CompletionRequest,
  DetokenizeRequest,
  TokenizeRequest,
} from './protocol.ts';
export type {
  ChatChunk,
  ChatCompletion,
  ChatDelta,
  ChatLogprobs,
  Completion,
  CompletionLogprobs,
  ErrorBody,
  ModelList,
  TokenLogprob,
  Usage,
} from './protocol-responses.ts';
export type { TaskResults } from './protocol-tasks.ts';
export type { Connection } from './routes.ts';
export { readTaskResults } from './tasks.ts';

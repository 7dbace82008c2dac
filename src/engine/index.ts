// The engine room: what is asked of an engine and what comes back.
export {
  type EngineStats,
  type FinishReason,
  type GeneratedToken,
  type GenerateOptions,
  type GenerationEnd,
  type GenerationEvent,
  type GenerationPart,
  type RefusalKind,
  RefusedError,
  type SamplingOptions,
  type TextModel,
  type TokenLogprob,
  type Usage,
} from './generation.ts';

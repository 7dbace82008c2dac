// The inference engine: many requests over one model, each with the result that it would have alone.
export { constraintCompiler } from './answer-constraint.ts';
export {
  type ChatMessage,
  type ChatPrompt,
  chatPrompt,
  type ThinkingStart,
  type ToolDefinition,
} from './chat-prompt.ts';
export { Engine, type EngineOptions } from './engine.ts';
export * from './generation.ts';
export { loadSamplingDefaults, type SamplingDefaults } from './generation-config.ts';
export { ModelRunner, type ModelRunnerOptions } from './model-runner.ts';
export { type OpenOptions, openModel, openTokenizer } from './open-model.ts';
export { type CacheFormat, HeadPages, LatentPages, type PagedCache } from './paged-cache.ts';
export { type EncodeLimits, PromptEncoder, promptEncoder } from './prompt-encoder.ts';
export { addedTokensIn, encodePieces, fillInPieces, type Piece, wellFormed } from './prompt-text.ts';
export { type Rollout, type RolloutOptions, type RolloutSampling, Rollouts, type RolloutWork } from './rollouts.ts';
export { type ResolvedSampling, resolveOptions } from './sampling-options.ts';
export { testTokenizer } from './self-test.ts';
export type { Sequence, SequenceListener, SequenceOptions, TokenDecision } from './sequence.ts';
export { ServedModel } from './served-model.ts';
export type { SpeculationStats } from './speculation.ts';
export { endsInThinking } from './think-tags.ts';
export { unusedIds } from './unused-ids.ts';

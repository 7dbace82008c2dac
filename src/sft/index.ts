// The module of supervised fine-tuning: conversations, their loss mask, and the training on them.
export {
  examplesForStep,
  FineTuning,
  fineTuningCharts,
  fineTuningFields,
  fineTuningHeadline,
  fineTuningLine,
  openTunedModel,
  stepsPerEpoch,
} from './fine-tuning.ts';
export { sft } from './sft.ts';
export { fineTuningStep, type SftEvent, sftEvents } from './sft-events.ts';
export { countLearned, type SftColumn, type SftExample, toSequences } from './sft-objective.ts';
export type { SftConfig, SftRecipe } from './sft-recipe.ts';

// What a run of reinforcement learning trains and samples with: models, rollouts, questions and rewards.
import { join } from 'node:path';
import { type BaseVocabulary, loadBaseVocabulary } from '../corpus/index.ts';
import { unusedIds } from '../engine/index.ts';
import { longestTrainingPrompt, openQuestions } from '../eval/index.ts';
import { openCheckpoint, openSafetensors } from '../model/checkpoint/index.ts';
import { createModel, type Model, precisions, type WeightMap } from '../model/index.ts';
import { RewardModel } from '../reward/index.ts';
import { toChatTemplate } from '../tasks/index.ts';
import { loadWeights, type Run, readBaseConfig, TunedModel } from '../train/index.ts';
import type { RolloutSource } from './collect.ts';
import type { RlEvent } from './events.ts';
import { type GrpoColumn, GrpoObjective, grpoColumns } from './grpo-objective.ts';
import { PolicyRollouts } from './policy-rollouts.ts';
import { replyReward } from './reply-reward.ts';
import { openRewards } from './reward.ts';
import type { RlConfig } from './rl-recipe.ts';

/** The weights of the reference in a checkpoint. */
export const referenceFile = 'reference.safetensors';

export interface RlParts extends RolloutSource {
  readonly vocabulary: BaseVocabulary;
  readonly tuned: TunedModel<GrpoColumn>;
  readonly reference: { readonly model: Model; readonly weights: WeightMap };
  readonly rollouts: PolicyRollouts;
  readonly rewardModel: RewardModel | null;
}

function openRewardModel(config: RlConfig, { device }: Run<RlEvent>): Promise<RewardModel> | null {
  const { rewardModel, model: scored, precision, microBatchTokens } = config;
  if (rewardModel === undefined) return null;
  return RewardModel.open(rewardModel.model, { scored, precision, microBatchTokens, device });
}

/** Opens models and tasks. Throws TrainError, TaskError, EvaluationError or CheckpointError. */
export async function openRlParts(config: RlConfig, run: Run<RlEvent>): Promise<RlParts> {
  const { maxTokens, maxTokensLimit = maxTokens } = config;
  const base = readBaseConfig(config.model);
  const vocabulary = loadBaseVocabulary(config.model, toChatTemplate(config.template));
  const { tokenizer, endId } = vocabulary;
  const contextLength = base.maxPositionEmbeddings;
  const questions = await openQuestions(config, tokenizer, contextLength - maxTokensLimit);
  const { checkpoint } = run;
  const saved = checkpoint && join(checkpoint.folder, referenceFile);
  const weights = await loadWeights(base, saved ? openSafetensors(saved) : openCheckpoint(config.model));
  const reference = { model: createModel(base, weights, contextLength), weights };
  const policy = precisions[config.precision];
  const tuned = await TunedModel.open(config.model, run, {
    ...config,
    columns: grpoColumns,
    trainsAhead: config.mtpWeight > 0,
    objective: (model, shape) => new GrpoObjective(model, reference.model, { ...config, shape, policy }),
  });
  const options = {
    policy,
    maxSequences: config.parallel,
    contextLength,
    endId,
    temperature: config.temperature,
    banned: unusedIds(tokenizer, base.vocabSize),
  };
  const room = { promptTokens: await longestTrainingPrompt(questions, tokenizer), budget: maxTokens };
  const rollouts = new PolicyRollouts(tuned.model, tokenizer, options, room);
  const rewardModel = await openRewardModel(config, run);
  const rewards = openRewards(config);
  if (rewardModel) rewards.push(replyReward(rewardModel, config.rewardModel?.weight ?? 0));
  return { vocabulary, tuned, reference, rollouts, rewardModel, questions, answer: rollouts.answer, rewards };
}

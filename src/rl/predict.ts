// What a run of reinforcement learning is predicted to compute, before its first answer.
import { sequenceFlops } from '../model/index.ts';
import type { Prediction } from '../train/index.ts';
import type { RlParts } from './rl-parts.ts';
import type { RlConfig } from './rl-recipe.ts';

/**
 * Returns the FLOPs of all steps: rollouts, the pass of the reference, and learning. Their lengths are not known, so
 * responses count half of the tokens that they may have, prompts all that are likely, and every round is the first.
 */
export function predictRl(
  { steps, questions, groupSize, maxTokens, klBeta, mtpWeight }: RlConfig,
  { tuned, rollouts }: Pick<RlParts, 'tuned' | 'rollouts'>,
): Prediction {
  const { forward, training, mtpTraining } = sequenceFlops(tuned.model.config);
  const response = maxTokens / 2;
  const rows = rollouts.promptTokens + response;
  const shared = forward(rollouts.promptTokens);
  const learned = training(rows) + (mtpWeight > 0 ? mtpTraining(rows) : 0);
  const each = forward(rows) - shared + (klBeta > 0 ? forward(rows) : 0) + learned;
  return {
    flops: steps * questions * (shared + groupSize * each),
    hours: null,
    assumes: [`responses of ${response} tokens, half of maxTokens`],
  };
}

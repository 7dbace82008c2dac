// From rewards to what each token of a response counts: group-normalised advantages and the weights of tokens.
//
// GRPO (DeepSeekMath 4.1): A = (r - mean) / std over the group's responses, each response's tokens averaged. Dr. GRPO
// (arXiv 2503.20783) divides by neither std nor length. DAPO (arXiv 2503.14476) averages over all tokens of the batch.
// A group whose rewards are all alike says nothing: its advantages are 0.

/** deviation: divided by the group's population standard deviation, as GRPO; none: Dr. GRPO. */
export type AdvantageScale = 'deviation' | 'none';

/**
 * What a token of a response of n tokens weighs, of R responses with N tokens in all and at most L each.
 * response: 1 / (R n), GRPO. token: 1 / N, DAPO. constant: 1 / (R L), Dr. GRPO.
 */
export type TokenWeight = 'response' | 'token' | 'constant';

/** Advantages of a group's responses. */
export function advantagesOf(rewards: readonly number[], scale: AdvantageScale): number[] {
  const mean = rewards.reduce((sum, r) => sum + r, 0) / rewards.length;
  const variance = rewards.reduce((sum, r) => sum + (r - mean) ** 2, 0) / rewards.length;
  if (rewards.every((r) => r === rewards[0])) return rewards.map(() => 0);
  return rewards.map((r) => (r - mean) / (scale === 'deviation' ? Math.sqrt(variance) : 1));
}

/** The weight of each token of responses with these lengths. */
export function tokenWeights(lengths: readonly number[], weight: TokenWeight, longest: number): number[] {
  const [responses, tokens] = [lengths.length, lengths.reduce((sum, n) => sum + n, 0)];
  return lengths.map(
    (n) => ({ response: 1 / (responses * n), token: 1 / tokens, constant: 1 / (responses * longest) })[weight],
  );
}

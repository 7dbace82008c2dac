// Figures of an evaluation with their uncertainty: pass@1 over samples, cons@k by majority.

export interface Estimate {
  readonly mean: number;
  /** Half of the 95 % confidence interval, over problems. */
  readonly margin: number;
}

/** The mean over problems of the share of right samples (DeepSeek-R1, section 3). */
export function passAt1(right: readonly (readonly boolean[])[]): Estimate {
  const each = right.map((samples) => samples.filter(Boolean).length / samples.length);
  const mean = each.reduce((sum, x) => sum + x, 0) / each.length;
  const variance = each.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, each.length - 1);
  return { mean, margin: 1.96 * Math.sqrt(variance / each.length) };
}

/** Whether the most frequent answer is right, over problems; of equally frequent ones, the first. */
export function consensus(problems: readonly (readonly { answer: string | null; isRight: boolean }[])[]): Estimate {
  return passAt1(
    problems.map((samples) => {
      const votes = new Map<string, { count: number; isRight: boolean }>();
      for (const { answer, isRight } of samples) {
        if (answer === null) continue;
        const key = answer.replace(/\s+/g, '');
        votes.set(key, { count: (votes.get(key)?.count ?? 0) + 1, isRight });
      }
      const best = [...votes.values()].reduce<{ count: number; isRight: boolean } | null>(
        (top, vote) => (top && top.count >= vote.count ? top : vote),
        null,
      );
      return [best?.isRight ?? false];
    }),
  );
}

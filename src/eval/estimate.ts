// Estimates with their uncertainty: pass@1 over samples and cons@k by majority, as in DeepSeek-R1, section 3.
import { type Estimate, estimateMean } from '../math/index.ts';

/** Estimates pass@1: the mean over problems of the share of correct samples. */
export function passAt1(correct: readonly (readonly boolean[])[]): Estimate {
  return estimateMean(correct.map((samples) => samples.filter(Boolean).length / samples.length));
}

/** Estimates cons@k: the share of problems whose most frequent answer is correct. In a tie the first answer counts. */
export function consensus(problems: readonly (readonly { answer: string | null; isCorrect: boolean }[])[]): Estimate {
  return passAt1(
    problems.map((samples) => {
      const votes = new Map<string, { count: number; isCorrect: boolean }>();
      for (const { answer, isCorrect } of samples) {
        if (answer === null) continue;
        const key = answer.replace(/\s+/g, '');
        votes.set(key, { count: (votes.get(key)?.count ?? 0) + 1, isCorrect });
      }
      const best = [...votes.values()].reduce<{ count: number; isCorrect: boolean } | null>(
        (top, vote) => (top && top.count >= vote.count ? top : vote),
        null,
      );
      return [best?.isCorrect ?? false];
    }),
  );
}

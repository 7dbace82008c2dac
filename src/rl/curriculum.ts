// A curriculum by success rate: tasks and levels are drawn more often where groups say more.
//
// What a group can teach is the variance of its success, p (1 - p): largest at one half, none where all answers are
// right or all wrong ("learnability", arXiv 2502.12272). The estimate of a task is a running mean over its groups of
// 4 p (1 - p) n / (n - 1), from 0 to about 1, of which each new group replaces 1/16; it begins at 1, so that a task is
// tried before it is judged. A task of share s is drawn with weight s (0.1 + 0.9 learnability): none starves, and one
// that is learned or hopeless comes a tenth as often. Contract: the estimates are the trainer's state; a step's shares
// follow from the steps before.
import type { Question } from '../eval/index.ts';
import { mean } from '../math/index.ts';
import type { ChosenTask } from '../tasks/index.ts';
import type { RolloutGroup } from './batch.ts';

/** The part of its share that every task keeps. */
const floor = 0.1;
/** What a new group counts in the running mean. */
const groupWeight = 1 / 16;

const toName = (task: string, difficulty: number) => `${task} ${difficulty}`;

/** Sorts what belongs to questions by task and level, in the order of their first appearance. */
export function sortByTask<T extends { readonly question: Question }>(items: readonly T[]): Map<string, T[]> {
  const sorted = new Map<string, T[]>();
  for (const item of items) {
    const { task, difficulty } = item.question;
    const name = toName(task.name, difficulty);
    const own = sorted.get(name);
    if (own) own.push(item);
    else sorted.set(name, [item]);
  }
  return sorted;
}

/** Returns the unbiased estimate of 4 p (1 - p) from the answers of a group. */
export function learnability({ responses }: Pick<RolloutGroup, 'responses'>): number {
  const n = responses.length;
  const correct = responses.filter(({ isCorrect }) => isCorrect).length;
  return n < 2 ? 0 : (4 * correct * (n - correct)) / (n * (n - 1));
}

/** What a task gave in a step. */
export interface TaskStep {
  readonly task: string;
  readonly difficulty: number;
  readonly groups: number;
  /** Mean over groups of the share of correct answers. */
  readonly accuracy: number;
  readonly learnability: number;
  /** The probability with which the next question is of this task. */
  readonly share: number;
}

export class Curriculum {
  readonly #tasks: readonly ChosenTask[];
  readonly #mode: 'fixed' | 'success';
  readonly #estimates: Map<string, number>;

  /** `estimates`: those of a checkpoint. */
  constructor(
    tasks: readonly ChosenTask[],
    mode: 'fixed' | 'success',
    estimates: Readonly<Record<string, number>> = {},
  ) {
    this.#tasks = tasks;
    this.#mode = mode;
    this.#estimates = new Map(Object.entries(estimates));
  }

  /** The learnability of each task, as JSON. */
  get estimates(): Record<string, number> {
    return Object.fromEntries(this.#estimates);
  }

  /** Returns the tasks with the shares of the next step. */
  weighted(): ChosenTask[] {
    if (this.#mode === 'fixed') return [...this.#tasks];
    return this.#tasks.map((chosen) => {
      const estimate = this.#estimate(toName(chosen.task.name, chosen.difficulty));
      return { ...chosen, share: chosen.share * (floor + (1 - floor) * Math.min(1, estimate)) };
    });
  }

  /** Learns from the groups of a step. Returns what each task gave that had any. */
  see(groups: readonly RolloutGroup[]): TaskStep[] {
    const byTask = sortByTask(groups);
    for (const [name, own] of byTask)
      for (const group of own) {
        const before = this.#estimate(name);
        this.#estimates.set(name, before + groupWeight * (learnability(group) - before));
      }
    const shares = this.weighted();
    const total = shares.reduce((sum, { share }) => sum + share, 0);
    return [...byTask].map(([name, own]) => {
      const { task, difficulty } = own[0].question;
      const entries = shares.filter((entry) => toName(entry.task.name, entry.difficulty) === name);
      const accuracies = own.map(
        ({ responses }) => responses.filter(({ isCorrect }) => isCorrect).length / responses.length,
      );
      return {
        task: task.name,
        difficulty,
        groups: own.length,
        accuracy: mean(accuracies),
        learnability: this.#estimate(name),
        share: entries.reduce((sum, { share }) => sum + share, 0) / total,
      };
    });
  }

  #estimate(name: string): number {
    return this.#estimates.get(name) ?? 1;
  }
}

// A reinforcement learning run on the console: a line a step, and what is found wrong in words.
import type { RlEvent, RlStepEvent } from '../rl/index.ts';

const percent = (share: number) => `${Math.round(100 * share)} %`;

function stepLine(event: RlStepEvent, steps: number): string {
  const { step, accuracy, format, tokens, entropy, kl, mismatch, silentGroups, secondsLeft } = event;
  return [
    `step ${step}/${steps}`,
    `right ${percent(accuracy)}`,
    `form ${percent(format)}`,
    `${tokens.toFixed(0)} tokens`,
    `silent groups ${percent(silentGroups)}`,
    `entropy ${entropy?.toFixed(3) ?? '-'}`,
    `kl ${kl?.toFixed(4) ?? '-'}`,
    `mismatch = ${mismatch}`,
    `${event.rolloutSeconds.toFixed(1)} + ${event.trainSeconds.toFixed(1)} s`,
    `${Math.round(secondsLeft / 60)} min left`,
  ].join('  ');
}

/** An examination of a model that learns, in reinforcement learning and in distillation. */
export function examinedLine(event: Extract<RlEvent, { event: 'evaluated' }>): string {
  const { step, task, difficulty, passAt1, margin, problems, tokens } = event;
  const told = `pass@1 ${percent(passAt1)} (± ${percent(margin)}) of ${problems} held-out problems`;
  return `step ${step}: ${task} ${difficulty}: ${told}, ${tokens.toFixed(0)} tokens`;
}

export class RlConsole {
  #steps = 0;

  show(event: RlEvent): void {
    if (event.event === 'started' || event.event === 'resumed') this.#steps = event.steps;
    for (const line of this.#lines(event)) console.error(line);
  }

  #lines(event: RlEvent): string[] {
    switch (event.event) {
      case 'started':
        return [
          `${event.run}: ${(event.parameters / 1e6).toFixed(2)} M parameters, ${event.steps} steps of ${event.responsesPerStep} responses on ${event.device}`,
        ];
      case 'resumed':
        return [`resumed after step ${event.step}`];
      case 'step':
        return [stepLine(event, this.#steps)];
      case 'evaluated':
        return [examinedLine(event)];
      case 'sampled':
        return [
          `step ${event.step}: ${event.verdict}`,
          ...`${event.prompt}${event.text}`
            .trimEnd()
            .split('\n')
            .map((line) => `  | ${line}`),
        ];
      case 'saved':
        return [`step ${event.step}: saved ${event.folder}`];
      case 'alarm':
        return [`step ${event.step}: ${event.message}`];
      case 'ended':
        return [`${event.status} after step ${event.step}: ${event.reason}`];
    }
  }
}

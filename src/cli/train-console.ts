// A run's events on the console: one line that changes while steps run, and lines that stay for the rest.
import type { StepEvent, TrainEvent } from '../train/index.ts';

function duration(seconds: number): string {
  if (seconds < 90) return `${seconds.toFixed(0)} s`;
  if (seconds < 5400) return `${(seconds / 60).toFixed(0)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function stepLine(event: StepEvent, steps: number): string {
  const { step, loss, tokensPerSecond, mfu, maxVio, secondsLeft, gradientNorm, learningRate } = event;
  const shown = (x: number | null) => (x === null ? 'not finite' : x.toFixed(3));
  return [
    `step ${step}/${steps}`,
    `loss ${shown(loss)}`,
    `gradient ${shown(gradientNorm)}`,
    `rate ${learningRate.toExponential(1)}`,
    `${Math.round(tokensPerSecond).toLocaleString('en-US')} tokens/s`,
    `MFU ${(100 * mfu).toFixed(0)} %`,
    ...(maxVio === null ? [] : [`MaxVio ${maxVio.toFixed(2)}`]),
    `${duration(secondsLeft)} left`,
  ].join('  ');
}

/** Steps between lines where nobody watches a terminal. */
const quietSteps = 100;

export class TrainConsole {
  readonly #isTerminal = process.stderr.isTTY === true;
  #steps = 0;

  show(event: TrainEvent): void {
    if (event.event === 'started' || event.event === 'resumed') this.#steps = event.steps;
    if (event.event === 'step') this.#step(event);
    else for (const line of this.#lines(event)) this.#stay(line);
  }

  #step(event: StepEvent): void {
    const line = stepLine(event, this.#steps);
    if (this.#isTerminal) process.stderr.write(`\r${line}\x1b[K`);
    else if (event.step % quietSteps === 0 || event.step === 1) console.error(line);
  }

  #stay(line: string): void {
    console.error(this.#isTerminal ? `\r${line}\x1b[K` : line);
  }

  #lines(event: Exclude<TrainEvent, StepEvent>): string[] {
    const million = (n: number) => `${(n / 1e6).toFixed(2)} M`;
    switch (event.event) {
      case 'started':
        return [
          `${event.run}: ${million(event.parameters.total)} parameters, ${million(event.parameters.active)} active, ${event.steps} steps of ${event.tokensPerStep} tokens on ${event.device}`,
        ];
      case 'resumed':
        return [`resumed after step ${event.step}`];
      case 'evaluated':
        return [
          `step ${event.step}: validation loss ${event.loss.toFixed(4)}${event.maxVio === null ? '' : `, MaxVio ${event.maxVio.toFixed(3)}`}`,
        ];
      case 'sampled':
        return [`step ${event.step}: ${JSON.stringify(event.prompt)} goes on as`, event.text.replaceAll(/^/gm, '  | ')];
      case 'saved':
        return [`step ${event.step}: saved ${event.folder}`];
      case 'alarm':
        return [`ALARM at step ${event.step} (${event.kind}): ${event.message}`];
      case 'ended':
        return [`${event.status} after step ${event.step}: ${event.reason}`];
    }
  }
}

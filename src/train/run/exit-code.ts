// Exit codes of commands that train: 0 where all steps are done, 1 where something failed, 128 + signal where a signal
// stopped the run and it was saved (129, 130, 143: the convention of shells and schedulers).
import { constants } from 'node:os';

/** The signals that ask a run to save and stop: a closed terminal, Ctrl-C, and what schedulers and containers send. */
export const stopSignals = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const;

export type StopSignal = (typeof stopSignals)[number];

export const stoppedExitCode = (signal: StopSignal): number => 128 + constants.signals[signal];

/** Whether a process that ended with this code was stopped by a signal and saved its run. */
export const isStoppedExitCode = (code: number | null): boolean =>
  stopSignals.some((signal) => stoppedExitCode(signal) === code);

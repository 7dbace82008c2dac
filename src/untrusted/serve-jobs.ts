// The other side of a Sandbox: the loop of the process that does the jobs.
import { setPriority } from 'node:os';
import type { FromSandbox, ToSandbox } from './sandbox.ts';
import { runWithin, TimeLimitError } from './time-limit.ts';

/** Below the priority of the process that generates: other people's tokens come first. */
const niceness = 10;

/**
 * Answers jobs until the other side leaves. `open` returns what does a job; what it throws ends the process, so errors
 * that somebody should read are results.
 */
export function serveJobs<Setup, Job, Result>(open: (setup: Setup) => (job: Job) => Result): void {
  const send = (message: FromSandbox, then = () => {}) => process.send?.(message, undefined, undefined, then);
  let doJob: (job: Job) => Result = () => {
    throw new Error('broken invariant: a job came before its setup');
  };
  try {
    setPriority(niceness);
  } catch {
    // not allowed here: the same priority is no fault
  }
  process.on('disconnect', () => process.exit());
  process.on('message', (message: ToSandbox) => {
    if ('setup' in message) {
      doJob = open(message.setup as Setup);
      return;
    }
    const { job, limitMs } = message;
    try {
      send({ result: runWithin(limitMs, () => doJob(job as Job)) });
    } catch (error) {
      send({ fault: error instanceof TimeLimitError ? 'time' : 'memory' }, () => process.exit(1));
    }
  });
}

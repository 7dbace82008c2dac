// The process of untrusted.test.ts: it does what a hostile job may do.
import { serveJobs } from './serve-jobs.ts';

export type TestJob = 'echo' | 'loop' | 'regex' | 'memory' | 'exit' | 'throw' | 'pid';

const jobs: Readonly<Record<TestJob, () => unknown>> = {
  echo: () => 'done',
  loop: () => {
    for (;;);
  },
  regex: () => /(a+)+$/.test(`${'a'.repeat(40)}!`),
  memory: () => Array.from({ length: 9 }, () => new Array<number>(3e7).fill(0.5)).length,
  exit: () => process.exit(0),
  throw: () => {
    throw new Error('a fault');
  },
  pid: () => process.pid,
};

serveJobs<string, TestJob, unknown>((setup) => (job) => (job === 'echo' ? setup : jobs[job]()));

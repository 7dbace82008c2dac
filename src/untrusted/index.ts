// What makes strangers' data safe to work on: limits on time, a process that can be ended, the shape of JSON.
export { JsonScanner, type JsonShape, measureJson } from './json-shape.ts';
export { Sandbox, SandboxError, type SandboxFault, type SandboxOptions } from './sandbox.ts';
export { serveJobs } from './serve-jobs.ts';
export { runWithin, TimeLimitError } from './time-limit.ts';

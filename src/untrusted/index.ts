// What strangers supply, made safe to work on: files and JSON read under limits, limits on time, a process that can be
// ended, and texts without the paths of this machine.

export { JsonScanner, type JsonShape } from './json-shape.ts';
export { nestingDepth, parseJson, readJsonFile } from './json-text.ts';
export { hidePaths } from './machine-paths.ts';
export { FileError, type OpenFile, openRegularFile, openRegularFileSync, readTextFile } from './regular-file.ts';
export { Sandbox, SandboxError, type SandboxFault, type SandboxOptions } from './sandbox.ts';
export { serveJobs } from './serve-jobs.ts';
export { runWithin, TimeLimitError } from './time-limit.ts';

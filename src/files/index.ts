// The module of files that others may have written: read under limits of type, size and depth.

export { nestingDepth, parseJson, readJsonFile } from './json-text.ts';
export { hidePaths } from './machine-paths.ts';
export { FileError, openRegularFile, openRegularFileSync, readTextFile } from './regular-file.ts';

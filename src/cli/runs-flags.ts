// Flags of the commands whose page shows and starts training runs.
import type { Command } from 'commander';
import { parsePositive } from './engine-flags.ts';

export interface RunsFlags {
  readonly atOnce: number;
  readonly allowTask?: readonly string[];
  readonly allowTeacher?: readonly string[];
  readonly allowFolder?: readonly string[];
}

/** Adds the flags that say what the page may start. */
export function withRunsFlags(command: Command): Command {
  return command
    .option('--at-once <n>', 'max training runs at once', parsePositive, 1)
    .option('--allow-task <files...>', 'tasks of your own that runs started over HTTP may execute')
    .option('--allow-teacher <addresses...>', 'APIs that such runs may ask; address=VARIABLE names the key to send')
    .option('--allow-folder <folders...>', 'folders that such runs may read, besides the working directory');
}

// The flag of commands that may download a model (find-model.ts).
import type { Command } from 'commander';

export interface DownloadFlags {
  readonly yes?: boolean;
}

/** Adds the flag to a command. */
export function withDownloadFlag(command: Command): Command {
  return command.option('--yes', 'download a model that is not here without asking');
}

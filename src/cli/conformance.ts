// minke conformance: a table of what holds of a server, this one's or another's.
import { checkServer, type Outcome } from '../conformance/index.ts';
import { failed } from './exit-codes.ts';

export interface ConformanceFlags {
  readonly baseUrl: string;
  readonly model?: string;
  readonly timeout: number;
  readonly json?: boolean;
}

const width = 68;

function line({ group, name, result, reason }: Outcome, previous: string): string {
  const shown = group === previous ? '' : group;
  return `${shown.padEnd(13)}${name.padEnd(width)}${result}${reason === '' ? '' : `: ${reason}`}`;
}

/** Prints each check as it ends. Fails where a check fails; what a server lacks is not a failure. */
export async function conformanceCommand({ baseUrl, model, timeout, json }: ConformanceFlags): Promise<void> {
  const key = process.env.OPENAI_API_KEY ?? null;
  const outcomes: Outcome[] = [];
  for await (const outcome of checkServer({ baseUrl, key, model: model ?? null, timeoutMs: 1000 * timeout })) {
    if (!json) console.log(line(outcome, outcomes.at(-1)?.group ?? ''));
    outcomes.push(outcome);
  }
  const count = (result: Outcome['result']) => outcomes.filter((outcome) => outcome.result === result).length;
  if (json) console.log(JSON.stringify(outcomes));
  else console.log(`\n${count('holds')} of ${outcomes.length} hold, ${count('fails')} fail, ${count('absent')} absent`);
  if (count('fails') > 0) process.exitCode = failed;
}

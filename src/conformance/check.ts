// A check of a server, and what came of it.
import { AbsentError, type Client } from './client.ts';

export interface Check {
  readonly group: string;
  /** What holds, as a sentence without its period. */
  readonly name: string;
  /** Rejects with a sentence where it does not hold. */
  readonly run: (client: Client) => Promise<void>;
}

export interface Outcome {
  readonly group: string;
  readonly name: string;
  readonly result: 'holds' | 'fails' | 'absent';
  /** Why it fails; '' otherwise. */
  readonly reason: string;
}

export async function runCheck({ group, name, run }: Check, client: Client): Promise<Outcome> {
  try {
    await run(client);
    return { group, name, result: 'holds', reason: '' };
  } catch (error) {
    if (error instanceof AbsentError) return { group, name, result: 'absent', reason: '' };
    return { group, name, result: 'fails', reason: (error as Error).message };
  }
}

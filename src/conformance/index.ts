// The conformance module: which promises of DeepSeek's, OpenAI's, Anthropic's and Ollama's APIs a server keeps.
import { chatChecks } from './chat-checks.ts';
import { type Outcome, runCheck } from './check.ts';
import { Client, type ClientOptions } from './client.ts';
import { faceChecks } from './face-checks.ts';

export type { Outcome } from './check.ts';
export type { ClientOptions } from './client.ts';

/** Yields what came of each check, one after another. */
export async function* checkServer(options: ClientOptions): AsyncGenerator<Outcome> {
  const client = new Client(options);
  for (const check of [...chatChecks, ...faceChecks]) yield await runCheck(check, client);
}

// For tests: a completions API with given replies, which records the prompts that it gets.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Reply {
  /** @default 200 */
  readonly status?: number;
  readonly body: string;
  /** Closes the connection instead of replying. */
  readonly hangUp?: boolean;
}

export interface TestApi {
  readonly url: string;
  /** All prompts, in the order of their requests. */
  readonly prompts: string[];
  /** All values of the authorization header. */
  readonly keys: Set<string | undefined>;
  close(): Promise<void>;
}

/**
 * Starts an API. `reply` answers the nth request of a prompt; null leaves it without an answer. A prompt is answered
 * once `ready` resolves.
 */
export async function startApi(
  reply: (prompt: string, nth: number) => Reply | null,
  ready: (prompt: string) => Promise<void> = async () => undefined,
): Promise<TestApi> {
  const prompts: string[] = [];
  const keys = new Set<string | undefined>();
  const server = createServer((request, response) => {
    let text = '';
    keys.add(request.headers.authorization);
    request.on('data', (part) => {
      text += part;
    });
    request.on('end', async () => {
      const { prompt } = JSON.parse(text);
      const nth = prompts.filter((earlier) => earlier === prompt).length;
      prompts.push(prompt);
      await ready(prompt);
      const replied = reply(prompt, nth);
      if (replied === null) return;
      const { status = 200, body, hangUp } = replied;
      if (hangUp) return request.socket.destroy();
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  return { url: `http://127.0.0.1:${port}/v1`, prompts, keys, close };
}

export const completion = (text: string, finish_reason = 'stop'): Reply => ({
  body: JSON.stringify({ choices: [{ text, finish_reason }], usage: { completion_tokens: text.length } }),
});

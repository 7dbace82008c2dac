// For tests: a completions interface that replies as it is told, and remembers what it was asked.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Reply = { readonly status?: number; readonly body: string; readonly hangUp?: boolean };
export interface Api {
  readonly url: string;
  readonly asked: string[];
  readonly keys: Set<string | undefined>;
  close(): Promise<void>;
}

/** An interface that replies as `reply` says to the nth request of a prompt; null: never. */
export async function api(reply: (prompt: string, nth: number) => Reply | null): Promise<Api> {
  const asked: string[] = [];
  const keys = new Set<string | undefined>();
  const server: Server = createServer((request, response) => {
    let text = '';
    keys.add(request.headers.authorization);
    request.on('data', (part) => {
      text += part;
    });
    request.on('end', () => {
      const { prompt } = JSON.parse(text);
      const nth = asked.filter((earlier) => earlier === prompt).length;
      asked.push(prompt);
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
  return { url: `http://127.0.0.1:${port}/v1`, asked, keys, close };
}

export const completion = (text: string, finish_reason = 'stop') => ({
  body: JSON.stringify({ choices: [{ text, finish_reason }] }),
});

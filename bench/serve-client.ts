// The clients of serve.ts in their own process: each line on stdin starts a number of streams; a report goes to stdout.
import { createInterface } from 'node:readline';
import type { ClientReport } from './serve.ts';

interface ClientJob {
  readonly streams: number;
  readonly tokens: number;
  readonly prompts: readonly (readonly number[])[];
}

const [, , url] = process.argv as [string, string, string];

async function readStream(prompt: readonly number[], tokens: number, firsts: number[], gaps: number[]): Promise<void> {
  const start = performance.now();
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt, max_tokens: tokens, temperature: 0, stream: true }),
  });
  if (!response.ok || !response.body) throw new Error(`${response.status}: ${await response.text()}`);
  let last = 0;
  for await (const _ of response.body) {
    const now = performance.now();
    if (last === 0) firsts.push(now - start);
    else gaps.push(now - last);
    last = now;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { tokens, prompts } = JSON.parse(line) as ClientJob;
  const [firsts, gaps]: [number[], number[]] = [[], []];
  const start = performance.now();
  await Promise.all(prompts.map((prompt) => readStream(prompt, tokens, firsts, gaps)));
  const report: ClientReport = { seconds: (performance.now() - start) / 1000, firsts, gaps };
  console.log(JSON.stringify(report));
}

// The process of a client that reads one stream after another while the server is attacked, and measures the gaps
// between the parts of each stream.
export interface ObserverReport {
  readonly parts: number;
  /** The longest gaps, in milliseconds, longest first. */
  readonly gaps: readonly number[];
}

const longest = 10;

async function main(url: string): Promise<void> {
  let gaps: number[] = [];
  let [parts, isOpen] = [0, true];
  process.on('message', (message) => {
    if (message === 'report') process.send?.({ parts, gaps } satisfies ObserverReport);
    else isOpen = false;
    [parts, gaps] = [0, []];
  });
  process.send?.('ready');
  for (let seed = 0; isOpen; seed++) {
    const body = { model: 'good', messages: [{ role: 'user', content: `${seed} + 17` }], stream: true, seed };
    const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(body) });
    if (response.status === 429) continue;
    let last = Number.NaN;
    for await (const _ of response.body as ReadableStream<Uint8Array>) {
      const now = performance.now();
      parts++;
      if (now > last) gaps = [...gaps, now - last].sort((a, b) => b - a).slice(0, longest);
      last = now;
    }
  }
  process.disconnect();
}

await main(process.argv[2] as string);

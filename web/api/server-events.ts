// Reads server-sent events: yields the data of each one as it arrives and skips comments and other fields.
export async function* serverEvents(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = '';
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const events = (rest + value).split('\n\n');
      rest = events.pop() as string;
      for (const event of events) {
        const data = event.split('\n').filter((line) => line.startsWith('data: '));
        if (data.length > 0) yield data.map((line) => line.slice(6)).join('\n');
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// Runs listed, read and followed. npm test -- runs
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { withRunLock } from '../train/index.ts';
import type { EventPage, RunDetail, RunList } from './index.ts';
import { ended, frames, openRuns, refused, step } from './test-runs.ts';

const runs = openRuns({ keepAliveMs: 50, maxFollowers: 2 });
after(() => runs.close());

/** Locks the folder of a run. Returns a function that releases it. */
function lock(name: string): Promise<() => Promise<void>> {
  return new Promise((locked) => {
    const working = withRunLock(join(runs.folder, name), () => {
      return new Promise<void>((end) =>
        locked(async () => {
          end();
          await working;
        }),
      );
    });
  });
}
async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const each of items) list.push(each);
  return list;
}
const json = async <T>(path: string) => (await (await runs.get(path)).json()) as T;

runs.run('done', [step(1), step(2), ended(2, 'completed')]);
runs.run('deep/base', [step(1), ended(1, 'stopped', 'asked to stop')]);
runs.run('broken', [step(1), ended(1, 'failed', 'the gradient is not finite')]);
const third = `${JSON.stringify(step(3))}\n`;
runs.run('killed', [step(1), step(2), third.slice(0, 20)]);

describe('the list', () => {
  test('names every run with its state, the latest first, and no other folder', async () => {
    runs.run('done/checkpoints/step-1', [step(1)]);
    mkdirSync(join(runs.folder, 'datasets/abc'), { recursive: true });
    symlinkSync(tmpdir(), join(runs.folder, 'link'));
    const list = await json<RunList>('/runs');
    const states = Object.fromEntries(list.runs.map(({ name, state }) => [name, state]));
    assert.deepEqual(states, { done: 'completed', 'deep/base': 'stopped', broken: 'failed', killed: 'interrupted' });
    assert.equal(list.runs.at(-1)?.name, 'killed');
    assert.deepEqual(list.live, []);
  });

  test('summarizes a run: steps, headline, what went wrong', async () => {
    const { runs } = await json<RunList>('/runs');
    const find = (name: string) => runs.find((run) => run.name === name);
    const { kind, step: at, steps, headline, updated, started } = find('done') as RunList['runs'][0];
    assert.deepEqual([kind, at, steps, updated, started], ['pretrain', 2, 10, 2000, 1001]);
    assert.deepEqual(headline[0], { label: 'Loss', format: 'number', value: 2.8 });
    assert.equal(find('broken')?.problem, 'the gradient is not finite');
    assert.equal(find('done')?.problem, null);
  });

  test('its route is named by /health; no model is needed', async () => {
    const { routes } = await json<{ routes: string[] }>('/health');
    assert.deepEqual(routes.slice(0, 2), ['/runs', '/runs/kinds']);
    await refused(runs.get('/runs', { method: 'DELETE' }), 405, /\/runs takes GET, POST, not DELETE/);
    await refused(runs.post('/v1/chat/completions', { messages: [] }), 422, /messages/);
    const request = { messages: [{ role: 'user', content: 'hi' }] };
    await refused(
      runs.post('/v1/chat/completions', request),
      404,
      /no model is served: start the server with minke serve MODEL/,
    );
  });

  test('a folder that does not exist yet has no runs', async () => {
    const none = openRuns();
    rmSync(none.folder, { recursive: true });
    const list = (await (await none.get('/runs')).json()) as RunList;
    assert.deepEqual(list.runs, []);
    await none.close();
  });
});

describe('a run', () => {
  test('its recipe and summary; a damaged lineage is reported', async () => {
    const { run, config, lineage } = await json<RunDetail>('/runs/deep%2Fbase');
    assert.deepEqual(
      [run.name, run.state, config, lineage],
      ['deep/base', 'stopped', { steps: 10, batchSize: 2 }, null],
    );
    writeFileSync(join(runs.folder, 'broken/lineage.json'), '{"format":1');
    await refused(runs.get('/runs/broken'), 422, /^\[broken\/lineage\.json\] is not JSON/);
  });

  test('its events, and those after an offset; an incomplete line waits', async () => {
    const first = await json<EventPage>('/runs/killed/events');
    assert.equal(first.events.length, 2);
    runs.append('killed', third.slice(20));
    const more = await json<EventPage>(`/runs/killed/events?from=${first.next}`);
    assert.deepEqual(
      more.events.map((event) => (event as { step: number }).step),
      [3],
    );
    assert.deepEqual((await json<EventPage>(`/runs/killed/events?from=${more.next}`)).events, []);
  });

  test('invalid offsets and lines that are not events are refused in words', async () => {
    await refused(runs.get('/runs/done/events?from=3'), 422, /from: 3 is not where an event of this run begins/);
    await refused(runs.get('/runs/done/events?from=99999'), 422, /99999 is not where/);
    await refused(runs.get('/runs/done/events?from=-1'), 422, /expected number to be >=0/);
    runs.run('odd', ['{"event":"dance"}\n']);
    await refused(runs.get('/runs/odd/events'), 422, /odd\/events.jsonl contains a line that is not an event/);
  });

  test('names that lead elsewhere', async () => {
    for (const name of ['..%2F..%2Fetc', '.%2Fdone', 'done%2F..%2Fdone', '%2Fetc', 'a%00b', 'a%5Cb', '%2e%2e%2Fx'])
      await refused(runs.get(`/runs/${name}/events`), 422, /is not a name of a run/);
    for (const name of ['nothing', 'deep', 'link', 'done%2Fcheckpoints%2Fstep-1', 'datasets%2Fabc'])
      await refused(runs.get(`/runs/${name}`), 404, /there is no run "/);
    await refused(runs.get('/runs/../../etc/passwd'), 404, /does not exist/);
  });
});

describe('following', () => {
  test('a growing file: events as they come, comments in between, an end when its process is gone', async () => {
    runs.run('live', [step(1)]);
    const release = await lock('live');
    const response = await runs.get('/runs/live/live');
    assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
    const second = `${JSON.stringify(step(2))}\n`;
    const growing = (async () => {
      await sleep(200); // longer than keepAliveMs
      runs.append('live', second.slice(0, 20));
      await sleep(300);
      runs.append('live', second.slice(20), step(3));
      await sleep(300);
      runs.append('live', ended(3, 'completed'));
      await release();
    })();
    const seen = await collect(frames(response));
    await growing;
    const received = seen.flatMap(({ event, data }) => [
      ...(data.events ?? []).map((each) => `${each.event} ${each.step}`),
      ...(event === 'message' ? [] : [event === 'end' ? `end: ${data.run?.state}` : event]),
    ]);
    const expected = ['step 1', 'step 2', 'step 3', 'ended 3', 'end: completed'];
    assert.deepEqual(
      received.filter((each) => each !== 'comment'),
      expected,
    );
    assert.ok(received.includes('comment'));
  });

  test('continues after the id of the last frame; a run that ended is given completely', async () => {
    const [first] = await collect(frames(await runs.get('/runs/done/live')));
    assert.equal(first?.data.events?.length, 3);
    const rest = await collect(
      frames(await runs.get('/runs/done/live', { headers: { 'last-event-id': first?.id ?? '' } })),
    );
    assert.deepEqual(
      rest.map(({ event }) => event),
      ['end'],
    );
    await refused(runs.get('/runs/done/live?from=2'), 422, /2 is not where/);
  });

  test('ends when the client leaves, which frees its place; too many are refused', async () => {
    runs.run('watched', [step(1)]);
    const release = await lock('watched');
    const gone = new AbortController();
    const streams = [
      await runs.get('/runs/watched/live', { signal: gone.signal }),
      await runs.get('/runs/watched/live'),
    ];
    await refused(runs.get('/runs/watched/live'), 429, /2 runs are being followed/);
    await streams[1]?.body?.cancel();
    gone.abort();
    await streams[0]?.text();
    await sleep(20);
    const again = await runs.get('/runs/watched/live');
    assert.equal(again.status, 200);
    await again.body?.cancel();
    await release();
  });

  test('a line that is not an event ends it with a problem', async () => {
    const all = await collect(frames(await runs.get('/runs/odd/live')));
    const frame = all.find(({ event }) => event !== 'comment');
    assert.equal(frame?.event, 'problem');
    assert.match(frame?.data.message ?? '', /not an event/);
  });
});

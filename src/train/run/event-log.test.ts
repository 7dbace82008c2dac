// npm test -- events
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type PretrainEvent, pretrainEvents } from '../events.ts';
import { EventLog, readEvents } from './event-log.ts';
import type { NewEvent } from './kind.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-events-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const evaluated = (step: number, loss: number): NewEvent<PretrainEvent> => ({
  event: 'evaluated',
  step,
  loss,
  tokens: 10,
  maxVio: null,
});
const alarm = (step: number): NewEvent<PretrainEvent> => ({ event: 'alarm', step, kind: 'loss-spike', message: 'up' });

describe('events', () => {
  test('what is appended is heard and read back', () => {
    const path = join(folder, 'a.jsonl');
    const heard: unknown[] = [];
    const log = new EventLog(path, (event) => heard.push(event));
    log.append(evaluated(1, 2.5));
    log.append(alarm(1));
    assert.deepEqual(readEvents(path, pretrainEvents), heard);
    assert.equal(heard.length, 2);
  });

  test('a resumed run supersedes the steps behind it, but no alarm', () => {
    const path = join(folder, 'b.jsonl');
    const log = new EventLog(path);
    for (const event of [evaluated(1, 3), evaluated(2, 2), alarm(2), evaluated(3, 1)]) log.append(event);
    log.append({ event: 'resumed', step: 1, steps: 3 });
    log.append(evaluated(2, 2));
    const found = readEvents(path, pretrainEvents).map((event) => [event.event, 'step' in event && event.step]);
    assert.deepEqual(found, [
      ['evaluated', 1],
      ['alarm', 2],
      ['resumed', 1],
      ['evaluated', 2],
    ]);
  });

  test('sessions that resume and resume again leave what the last one of them did', () => {
    const path = join(folder, 'e.jsonl');
    const log = new EventLog(path);
    const resumed = (step: number): NewEvent<PretrainEvent> => ({ event: 'resumed', step });
    for (const event of [evaluated(1, 3), evaluated(4, 2), resumed(3), evaluated(5, 2), resumed(1), evaluated(2, 1)])
      log.append(event);
    const found = readEvents(path, pretrainEvents).map((event) => `${event.event} ${'step' in event && event.step}`);
    assert.deepEqual(found, ['evaluated 1', 'resumed 1', 'evaluated 2']);
  });

  test('half a line is no event, and the next one begins a line', () => {
    const path = join(folder, 'c.jsonl');
    new EventLog(path).append(evaluated(1, 3));
    appendFileSync(path, '{"event":"evalu');
    assert.equal(readEvents(path, pretrainEvents).length, 1);
    new EventLog(path).append(evaluated(2, 2));
    assert.equal(readEvents(path, pretrainEvents).length, 2);
    assert.equal(readFileSync(path, 'utf8').split('\n').length, 3);
  });

  test('a line that is no event is named', () => {
    const path = join(folder, 'd.jsonl');
    appendFileSync(path, '{"event":"party","time":1}\n');
    assert.throws(() => readEvents(path, pretrainEvents), /d\.jsonl:1\] is no event/);
  });
});

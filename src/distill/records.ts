// What a distillation leaves beside its checkpoints: recipe, events, lineage.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Device } from '../kernels/index.ts';
import { writeJson } from '../model/checkpoint/index.ts';
import {
  EventLog,
  type Lineage,
  newLineage,
  readEvents,
  readLineage,
  resumedLineage,
  withSeconds,
  writeLineage,
} from '../train/index.ts';
import type { DistilConfig } from './config.ts';
import { type DistilEvent, distilEventSchema } from './events.ts';

export const distilFiles = { config: 'distil.json', events: 'events.jsonl' } as const;

export interface DistilOptions {
  readonly folder: string;
  readonly device: Device;
  readonly listen?: (event: DistilEvent) => void;
  readonly signal?: AbortSignal;
}

/** Whether a folder holds a distillation. */
export function isDistilRun(folder: string): boolean {
  return existsSync(join(folder, distilFiles.config));
}

export class Records {
  readonly log: EventLog<DistilEvent>;
  readonly #folder: string;
  readonly #began = performance.now();
  #lineage: Lineage;

  private constructor(folder: string, log: EventLog<DistilEvent>, lineage: Lineage) {
    this.#folder = folder;
    this.log = log;
    this.#lineage = lineage;
  }

  /** Begins the files of a run, or goes on with them. */
  static async open(
    config: DistilConfig,
    fromStep: number,
    { folder, device, listen }: DistilOptions,
  ): Promise<Records> {
    mkdirSync(folder, { recursive: true });
    await writeJson(join(folder, distilFiles.config), config);
    const path = join(folder, distilFiles.events);
    const log = new EventLog<DistilEvent>(path, listen);
    const lastEvent = readEvents(path, distilEventSchema).at(-1)?.time ?? 0;
    const before = readLineage(folder);
    const own = { ...config, initial: config.student };
    const lineage = before
      ? resumedLineage(before, own, device, fromStep, lastEvent)
      : await newLineage(own, device, { kind: 'distillation' });
    const records = new Records(folder, log, lineage);
    await records.write({});
    const described = `${device.name} ${device.isa}, ${device.threads} threads`;
    if (before) log.append({ event: 'resumed', step: fromStep });
    else log.append({ event: 'started', run: folder, teacher: config.teacher, device: described });
    return records;
  }

  get lineage(): Lineage {
    return withSeconds(this.#lineage, (performance.now() - this.#began) / 1000);
  }

  /** Writes the lineage with what has changed. */
  write(changed: Partial<Lineage>): Promise<void> {
    this.#lineage = { ...this.#lineage, ...changed };
    return writeLineage(this.#folder, this.lineage);
  }

  async end(step: number, status: 'completed' | 'stopped' | 'failed', reason: string): Promise<void> {
    await this.write({ status, reason, steps: step });
    this.log.append({ event: 'ended', step, status, reason });
  }
}

// A hub with models for tests: an empty cache for each test, a client without patience.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach } from 'node:test';
import { Random } from '../math/index.ts';
import {
  type HubSettings,
  type ModelName,
  type PulledModel,
  type PullOptions,
  parseModelName,
  pullModel,
  readHubSettings,
} from './index.ts';
import type { Patience } from './patience.ts';
import { commitOne, FakeHub } from './test-hub.ts';

export const patience: Patience = { idleMs: 300, backoffMs: 1, attempts: 3, maxWaitMs: 2000 };

export function toName(text: string): ModelName {
  const parsed = parseModelName(text);
  assert.ok(parsed, text);
  return parsed;
}

/** A hub and an empty cache, renewed for each test of the file that makes it. */
export class HubBench {
  readonly hub = new FakeHub();
  folder = '';

  constructor() {
    before(() => this.hub.open());
    after(() => this.hub.close());
    beforeEach(() => {
      this.hub.reset();
      this.folder = mkdtempSync(join(tmpdir(), 'minke-hub-'));
    });
    afterEach(() => rmSync(this.folder, { recursive: true }));
  }

  /** Settings of an environment, with the cache of this test. */
  settings(environment: Readonly<Record<string, string>> = {}): HubSettings {
    return readHubSettings({ HF_ENDPOINT: this.hub.endpoint, HF_HOME: this.folder, ...environment });
  }

  pull(text: string, options: Partial<PullOptions> = {}): Promise<PulledModel | null> {
    return pullModel(toName(text), { settings: this.settings(), patience, ...options });
  }

  /** The folder of a model in the cache. */
  repository(id: string): string {
    return join(this.folder, 'hub', `models--${id.replace('/', '--')}`);
  }
}

/** Bytes that differ by seed, in the pattern of a few random ones. */
export function randomBytes(count: number, seed: number): Buffer {
  const random = new Random(seed);
  return Buffer.alloc(count, Buffer.from(Array.from({ length: 997 }, () => random.whole(0, 255))));
}

export const json = (value: unknown) => Buffer.from(JSON.stringify(value));
export const shardNames = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;

/** A model in two shards, with files that nobody needs. */
export function addModel(hub: FakeHub, id = 'org/small', commit = commitOne, seed = 1): Record<string, Buffer> {
  const files = {
    'config.json': json({ model_type: 'llama', seed }),
    'tokenizer.json': randomBytes(3000, seed + 1),
    'model.safetensors.index.json': json({ weight_map: { a: shardNames[0], b: shardNames[1] } }),
    [shardNames[0]]: randomBytes(200_000, seed + 2),
    [shardNames[1]]: randomBytes(150_000, seed + 3),
    'pytorch_model.bin': randomBytes(5000, 9),
    'onnx/model.onnx': randomBytes(5000, 9),
    'README.md': Buffer.from('# small'),
  };
  hub.models.set(id, { commit, files });
  return files;
}

export function addGguf(hub: FakeHub, id = 'org/small-GGUF'): Record<string, Buffer> {
  const files = {
    'small-Q8_0.gguf': randomBytes(9000, 5),
    'small-q4_k_m.gguf': randomBytes(5000, 6),
    'small-UD-Q4_K_XL.gguf': randomBytes(5500, 7),
    'BF16/small-BF16-00001-of-00002.gguf': randomBytes(8000, 8),
    'BF16/small-BF16-00002-of-00002.gguf': randomBytes(7000, 9),
    'F16/small-F16-00001-of-00003.gguf': randomBytes(2000, 10),
    'mmproj-F32.gguf': randomBytes(2000, 11),
    'imatrix.gguf': randomBytes(2000, 12),
    'config.json': json({}),
  };
  hub.models.set(id, { commit: commitOne, files });
  return files;
}

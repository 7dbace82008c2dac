// Mutated GGUF files with K blocks: refused in a sentence, or read within the file. MINKE_LONG: 20,000 of them.
// npm test -- gguf-fuzz
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Device, MinkeError, openDevice } from '../../kernels/index.ts';
import { Random } from '../../math/index.ts';
import { useDevice } from '../../tensor/index.ts';
import { readConfig } from '../config.ts';
import { initialWeights } from '../weights.ts';
import { weightValues } from './export.ts';
import { parseGguf } from './gguf.ts';
import { ggufMetadata } from './gguf-config.ts';
import { ggufTensors, openGgufModel } from './gguf-model.ts';
import { writeGguf } from './gguf-writer.ts';
import { decode } from './source.ts';
import { bytesOnly } from './test-gguf-models.ts';

const runs = process.env.MINKE_LONG ? 20_000 : 300;
const folder = mkdtempSync(join(tmpdir(), 'minke-gguf-fuzz-'));
const path = join(folder, 'model.gguf');
let device: Device;

before(async () => {
  device = openDevice();
  useDevice(device);
  const config = readConfig({
    model_type: 'qwen3',
    vocab_size: 256,
    hidden_size: 256,
    intermediate_size: 256,
    num_hidden_layers: 1,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 64,
    max_position_embeddings: 256,
  });
  const tensors = ggufTensors(config, weightValues(config, initialWeights(config, 1)), 'q4_k_m');
  await writeGguf(path, ggufMetadata(config, bytesOnly), tensors);
});
after(async () => {
  rmSync(folder, { recursive: true });
  await device.close();
});

/** Opens the file and reads all of it; whether it was read. */
async function readsOrRefuses(): Promise<boolean> {
  try {
    const { source } = await openGgufModel(path);
    try {
      for (const entry of source.entries.values()) {
        const length = Math.min(
          2048,
          entry.shape.reduce((a, b) => a * b, 1),
        ); // whole blocks
        assert.equal(decode(entry, await source.read(entry.name, { offset: 0, length })).length, length);
      }
    } finally {
      await source.close();
    }
    return true;
  } catch (error) {
    assert.ok(error instanceof MinkeError, `${error instanceof Error ? error.stack : error}`);
    assert.match(error.message, /^\[.+\] .+; .+/s);
    return false;
  }
}

test(`${runs} mutated files`, async () => {
  const whole = readFileSync(path);
  const { dataStart } = parseGguf(whole, whole.length, path);
  const random = new Random(5);
  const file = openSync(path, 'r+');
  let accepted = 0;
  try {
    for (let run = 0; run < runs; run++) {
      const places = Array.from({ length: 1 + random.below(3) }, () => {
        return random.below(4) === 0 ? random.below(whole.length) : random.below(dataStart);
      });
      for (const at of places) writeSync(file, Uint8Array.of(random.below(256)), 0, 1, at);
      if (await readsOrRefuses()) accepted++;
      for (const at of places) writeSync(file, whole, at, 1, at);
    }
  } finally {
    closeSync(file);
  }
  assert.ok(accepted > runs / 50 && accepted < runs, `${accepted} of ${runs} were read`);
  assert.ok(await readsOrRefuses(), 'the file as it was');
});

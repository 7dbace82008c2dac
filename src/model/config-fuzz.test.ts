// Any configuration, from config.json or from GGUF's keys, is read or refused in a sentence. npm test -- config-fuzz
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MinkeError } from '../kernels/index.ts';
import type { GgufValue } from './checkpoint/gguf.ts';
import { ggufMetadata, readGgufConfig } from './checkpoint/gguf-config.ts';
import { readConfig, writeConfig } from './config.ts';
import { listParameters } from './parameters.ts';
import { preset } from './presets.ts';

const runs = process.env.MINKE_LONG ? 50_000 : 500;

const number = fc.oneof(
  fc.integer({ min: -2, max: 300 }),
  fc.constantFrom(0.5, 1e-6, 2 ** 24, 2 ** 31, 2 ** 53, 1e300, Number.NaN, Number.POSITIVE_INFINITY),
);
const value = fc.oneof(
  number,
  fc.boolean(),
  fc.constant(null),
  fc.constantFrom('silu', 'yarn', 'default', 'fp8', 'x', ''),
  fc.array(number, { maxLength: 3 }),
  fc.dictionary(fc.constantFrom('type', 'rope_type', 'factor', 'rope_theta', 'quant_method', '__proto__'), number),
  fc.jsonValue(),
);

/** Runs `read`; an error must be a sentence that names the source. */
function readsOrRefuses(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    assert.ok(error instanceof MinkeError, `${error instanceof Error ? error.stack : error}`);
    assert.match(error.message, /^\[source\] .+; .+/s);
    assert.ok(error.message.length < 600, error.message);
    return false;
  }
}

const extra = ['rope_parameters', 'quantization_config', 'sliding_window', 'layer_types', 'architectures', '__proto__'];

for (const name of ['deepseek-v3', 'deepseek-v2-lite', 'llama', 'qwen2'] as const) {
  const dense = {
    model_type: name,
    hidden_size: 64,
    num_attention_heads: 4,
    intermediate_size: 96,
    num_hidden_layers: 2,
  };
  const config = name === 'llama' || name === 'qwen2' ? readConfig({ ...dense, num_key_value_heads: 2 }) : preset(name);

  test(`${name}: config.json with other values`, () => {
    const json = JSON.parse(JSON.stringify(writeConfig(config)));
    const field = fc.constantFrom(...Object.keys(json), ...extra);
    let accepted = 0;
    fc.assert(
      fc.property(fc.array(fc.tuple(field, value), { minLength: 1, maxLength: 3 }), (changes) => {
        const isRead = readsOrRefuses(() =>
          listParameters(readConfig({ ...json, ...Object.fromEntries(changes) }, 'source')),
        );
        if (isRead) accepted++;
      }),
      { numRuns: runs, seed: 1 },
    );
    assert.ok(accepted > runs / 100, `${accepted}`);
  });

  test(`${name}: GGUF with other values`, () => {
    const metadata = new Map([...ggufMetadata(config)].map(([key, typed]) => [key, typed.value]));
    const key = fc.constantFrom(...metadata.keys(), 'llama.rope.scaling.factor', 'deepseek2.expert_gating_func');
    const typed = fc.oneof(number, fc.boolean(), fc.constantFrom('x', 'yarn'), fc.constant(Int32Array.of(1, 2)));
    const contents = { names: new Set(['output.weight']), factors: new Map<string, Float32Array>() };
    let accepted = 0;
    fc.assert(
      fc.property(fc.array(fc.tuple(key, typed), { minLength: 1, maxLength: 3 }), (changes) => {
        const changed = new Map<string, GgufValue>([...metadata, ...changes]);
        if (readsOrRefuses(() => readGgufConfig(changed, contents, 'source'))) accepted++;
      }),
      { numRuns: runs, seed: 1 },
    );
    assert.ok(accepted > runs / 100, `${accepted}`);
  });
}

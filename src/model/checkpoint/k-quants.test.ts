// K blocks that are made here, and which tensors get which: errors below those of simpler blocks, importance that moves
// them, llama.cpp's mixes. npm test -- k-quants
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type BlockType, decodeBlocks } from '../../kernels/index.ts';
import { Random } from '../../math/index.ts';
import { readConfig } from '../config.ts';
import { encodeGgml, type WritableType } from './ggml-blocks.ts';
import { typeToWrite } from './gguf-mixes.ts';

const kinds = ['Q4_K', 'Q5_K', 'Q6_K'] as const;
const width = 512;

/** The sum of squared differences after encoding, each times the weight of its column. */
function squaredError(
  type: BlockType & WritableType,
  x: Float32Array,
  importance: Float32Array | null,
  weights = importance,
) {
  const decoded = decodeBlocks(type, encodeGgml(type, x, importance));
  return x.reduce((sum, value, i) => sum + (weights?.[i % width] ?? 1) * (decoded[i] - value) ** 2, 0);
}

describe('K blocks', () => {
  const x = new Random(1).normals(width * 12);
  const size = x.reduce((sum, value) => sum + value * value, 0);

  test('relative errors of normal values are those of their bits', () => {
    const limits = { Q4_K: 0.075, Q5_K: 0.038, Q6_K: 0.019 };
    for (const type of kinds) assert.ok(Math.sqrt(squaredError(type, x, null) / size) < limits[type], type);
    assert.ok(squaredError('Q4_K', x, null) < 0.8 * squaredError('Q4_0', x, null));
    assert.ok(squaredError('Q5_K', x, null) < 0.95 * squaredError('Q5_1', x, null));
  });

  test('importance moves the error to columns that count less', () => {
    const importance = Float32Array.from({ length: width }, (_, i) => (i % 7 === 0 ? 10 : 1));
    for (const type of kinds)
      assert.ok(squaredError(type, x, importance) < 0.9 * squaredError(type, x, null, importance), `${type}`);
  });

  test('zeros stay zeros, equal values come back nearly', () => {
    const flat = (value: number) => new Float32Array(256).fill(value);
    for (const type of kinds)
      for (const value of [0, 1.5, -0.25, 0.01]) {
        const decoded = decodeBlocks(type, encodeGgml(type, flat(value)));
        assert.ok(
          decoded.every((each) => Math.abs(each - value) <= 0.03 * Math.abs(value)),
          `${type} ${value}: ${decoded[0]}`,
        );
      }
  });
});

describe('mixes', () => {
  const config = readConfig({
    model_type: 'llama',
    hidden_size: 512,
    intermediate_size: 1024,
    num_attention_heads: 8,
    num_hidden_layers: 16,
    vocab_size: 1000,
  });
  const types = (format: Parameters<typeof typeToWrite>[3], name: string, columns = 512) =>
    Array.from({ length: 16 }, (_, i) => typeToWrite(config, `blk.${i}.${name}.weight`, [64, columns], format));

  test('q4_k_m: more bits for values and down projections of the first, last, and every third layer', () => {
    const favored = new Set([0, 1, 4, 7, 10, 13, 14, 15]);
    for (const name of ['attn_v', 'ffn_down'])
      assert.deepEqual(
        types('q4_k_m', name),
        types('q4_k_m', name).map((_, i) => (favored.has(i) ? 'Q6_K' : 'Q4_K')),
      );
    assert.deepEqual(new Set(types('q4_k_m', 'attn_q')), new Set(['Q4_K']));
    assert.deepEqual(new Set(types('q5_k_m', 'ffn_up')), new Set(['Q5_K']));
    assert.deepEqual(types('q4_k_s', 'attn_v').slice(2, 6), ['Q5_K', 'Q5_K', 'Q4_K', 'Q4_K']);
    assert.equal(typeToWrite(config, 'output.weight', [1000, 512], 'q4_k_m'), 'Q6_K');
    assert.equal(typeToWrite(config, 'token_embd.weight', [1000, 512], 'q4_k_m'), 'Q4_K');
  });

  test('rows that are no whole blocks fall back; vectors and the router are F32', () => {
    assert.deepEqual(new Set(types('q4_k_m', 'attn_q', 96)), new Set(['Q5_0']));
    assert.deepEqual(new Set(types('q5_k_m', 'attn_q', 96)), new Set(['Q5_1']));
    assert.deepEqual(new Set(types('Q6_K', 'attn_q', 96)), new Set(['Q8_0']));
    assert.deepEqual(new Set(types('q4_k_m', 'attn_q', 40)), new Set(['F16']));
    assert.equal(typeToWrite(config, 'blk.0.ffn_gate_inp.weight', [8, 512], 'q4_k_m'), 'F32');
    assert.equal(typeToWrite(config, 'output_norm.weight', [512], 'q4_k_m'), 'F32');
  });
});

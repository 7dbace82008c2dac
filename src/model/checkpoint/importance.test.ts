// Importance: it is the mean square of what matrices are multiplied by, it makes their outputs more exact where a file
// is quantized with it, and an importance matrix of llama.cpp says the same.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Device, decodeBlocks, openDevice } from '../../kernels/index.ts';
import { Random } from '../../math/index.ts';
import { asyncScope, keep, type Tensor, useDevice, watchProducts } from '../../tensor/index.ts';
import { packSequences } from '../batch.ts';
import { type ModelConfig, readConfig } from '../config.ts';
import { measureInputSquares } from '../importance.ts';
import { createModel, type Model } from '../model.ts';
import { servingPrecision } from '../precision.ts';
import { initialWeights } from '../weights.ts';
import { encodeGgml } from './ggml-blocks.ts';
import { openGguf } from './gguf.ts';
import { ggufImportance, readImportance, withImportance } from './gguf-importance.ts';
import { ggufTensors } from './gguf-model.ts';
import { type GgufTensor, writeGguf } from './gguf-writer.ts';
import { configs, v3 } from './test-gguf-models.ts';

const text = [
  [5, 17, 200, 3, 3, 90, 41],
  [8, 1, 77],
];

/** Heads and widths of whole super-blocks of 256. */
const wide = readConfig({
  model_type: 'llama',
  vocab_size: 256,
  hidden_size: 256,
  intermediate_size: 256,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  max_position_embeddings: 64,
});

let device: Device;
let folder: string;
before(() => {
  device = openDevice();
  useDevice(device);
  folder = mkdtempSync(join(tmpdir(), 'minke-importance-'));
});
after(async () => {
  rmSync(folder, { recursive: true });
  await device.close();
});

async function withModel<T>(config: ModelConfig, body: (model: Model) => Promise<T>): Promise<T> {
  return asyncScope(async (inside) => {
    const model = inside(() => createModel(config, initialWeights(config, 3)));
    return body(model).finally(() => model.dispose());
  });
}

/** Embeddings of few large columns, as trained models have. */
function withLargeColumns(model: Model): void {
  const embedding = model.weights.get('model.embed_tokens.weight') as Tensor;
  const [V, D] = embedding.shape as [number, number];
  const normals = new Random(9).normals(V * D, 1);
  embedding.write(normals.map((x, i) => ((i % D) % 9 === 0 ? 12 * x : x)));
}

/** Returns the rows that the model's first product reads: layer 0's queries, keys and values. */
async function readFirstInputs(model: Model): Promise<number[][]> {
  return asyncScope(async (inside) => {
    const heard: Tensor[] = [];
    inside(() =>
      watchProducts(
        (x) => heard.push(keep(x.alias())),
        () => model.forward(packSequences([text.flat()])),
      ),
    );
    const [x] = heard as [Tensor];
    const D = x.shape[1];
    const values = await x.toArray();
    for (const tensor of heard) tensor.dispose();
    return Array.from({ length: x.shape[0] }, (_, i) => values.slice(i * D, (i + 1) * D));
  });
}

const meanSquare = (values: readonly number[]) => values.reduce((sum, x) => sum + x * x, 0) / values.length;

/** The mean squared error of x w^T over rows x, for the error of w [N, K]. */
function outputError(error: ArrayLike<number>, rows: readonly (readonly number[])[]): number {
  const K = rows[0].length;
  const outputs = rows.flatMap((row) =>
    Array.from({ length: error.length / K }, (_, n) => row.reduce((sum, x, k) => sum + x * error[n * K + k], 0)),
  );
  return meanSquare(outputs);
}

describe('importance', () => {
  test('is the mean square of the input of each product', async () => {
    await withModel(configs.llama, async (model) => {
      const squares = await measureInputSquares(model, text);
      const rows = await readFirstInputs(model);
      for (const which of ['q', 'k', 'v'])
        squares.get(`model.layers.0.self_attn.${which}_proj.weight`)?.forEach((own, k) => {
          const expected = meanSquare(rows.map((row) => row[k]));
          assert.ok(Math.abs(own - expected) < 1e-5 * expected);
        });
      assert.equal(squares.size, 2 * 7);
      assert.ok(!squares.has('lm_head.weight'));
    });
  });

  test('of experts is of the rows that chose them', async () => {
    const config = readConfig(v3);
    const { squares, chosen } = await withModel(config, async (model) => {
      const squares = await measureInputSquares(model, text);
      const chosen = await asyncScope(async (inside) => {
        const routings = text.map((ids) =>
          inside(() => model.forward(packSequences([ids]), { policy: servingPrecision }).routings),
        );
        return Promise.all(routings.flat().map(({ offsets }) => offsets.toArray()));
      });
      return { squares, chosen };
    });
    const [D, E] = [config.hiddenSize, 8];
    const up = squares.get('model.layers.1.mlp.experts.gate_up_proj') as Float32Array;
    assert.equal(up.length, E * D);
    const perLayer = chosen.length / text.length;
    const isChosen = Array.from({ length: E }, (_, e) =>
      text.some((_, i) => chosen[i * perLayer][e + 1] > chosen[i * perLayer][e]),
    );
    for (let e = 0; e < E; e++)
      assert.equal(
        up.subarray(e * D, (e + 1) * D).some((x) => x > 0),
        isChosen[e],
        `expert ${e}`,
      );
    const importance = ggufImportance(config, squares);
    assert.equal(importance.get('blk.1.ffn_gate_exps.weight')?.length, E * D);
    assert.equal(importance.get('blk.1.ffn_down_exps.weight')?.length, E * 32);
    assert.equal(importance.get('blk.1.attn_v_b.weight')?.length, 32);
    assert.ok([...importance.values()].every((values) => values.every((x) => x > 0)));
  });

  test('makes outputs on its text more exact', async () => {
    await withModel(wide, async (model) => {
      withLargeColumns(model);
      const own = ggufImportance(wide, await measureInputSquares(model, text)).get('blk.0.attn_q.weight');
      const rows = await readFirstInputs(model);
      const exact = new Random(4).normals(16 * wide.hiddenSize, 1);
      for (const type of ['Q4_K', 'Q5_K', 'Q6_K'] as const) {
        const [without, weighted] = [null, own as Float32Array].map((importance) => {
          const values = decodeBlocks(type, encodeGgml(type, exact, importance));
          return outputError(
            values.map((x, i) => x - exact[i]),
            rows,
          );
        }) as [number, number];
        assert.ok(weighted < 0.8 * without, `${type}: ${weighted} and ${without}`);
      }
    });
  });

  test('weighs the parts of a tensor by their own', async () => {
    const [x, shape] = [new Random(4).normals(512, 1), [2, 1, 256]];
    const importance = new Random(5).normals(512, 1).map((value) => value * value);
    const part = (i: number) => [256 * i, 256 * (i + 1)] as const;
    const parts = [0, 1].map((i) => async () => x.subarray(...part(i)));
    const tensors: GgufTensor[] = [{ name: 'x', type: 'Q4_K', shape, parts }];
    const path = join(folder, 'parts.gguf');
    await writeGguf(path, new Map(), withImportance(tensors, { file: 'text', byTensor: new Map([['x', importance]]) }));
    const file = await openGguf(path);
    const expected = [0, 1].map((i) => encodeGgml('Q4_K', x.subarray(...part(i)), importance.subarray(...part(i))));
    assert.deepEqual(Buffer.from(await file.read('x')), Buffer.concat(expected));
    await file.close();
  });

  test('of another model is refused', () => {
    const tensors = ggufTensors(wide, [], 'q4_k_m');
    const refuses = (byTensor: Map<string, Float32Array>, expected: RegExp) =>
      assert.throws(() => withImportance(tensors, { file: 'x', byTensor }), expected);
    refuses(new Map([['blk.0.attn_q.weight', new Float32Array(64)]]), /attn_q.weight: expected .* 256 .*received 64/);
    refuses(new Map([['blk.9.attn_q.weight', new Float32Array(256)]]), /no tensor of this model/);
  });

  test('is read from an importance matrix of llama.cpp: sums of squares over counts', async () => {
    const path = join(folder, 'imatrix.gguf');
    const write = (type: string, counts: number[]) => {
      const values = (own: number[]) => [async () => Float32Array.from(own)];
      const shape = [counts.length, 1];
      const metadata = new Map([['general.type', { type: 'string', value: type } as const]]);
      return writeGguf(path, metadata, [
        { name: 'blk.0.ffn_up_exps.weight.in_sum2', type: 'F32', shape: [2, 3], parts: values([8, 4, 2, 0, 0, 0]) },
        { name: 'blk.0.ffn_up_exps.weight.counts', type: 'F32', shape, parts: values(counts) },
      ]);
    };
    await write('imatrix', [2, 0]);
    const { byTensor } = await readImportance(path);
    assert.deepEqual(byTensor, new Map([['blk.0.ffn_up_exps.weight', Float32Array.of(4, 2, 1, 1, 1, 1)]]));
    await write('imatrix', [2]);
    await assert.rejects(readImportance(path), /blk.0.ffn_up_exps.weight.counts: expected 2 numbers/);
    await write('model', [2, 0]);
    await assert.rejects(readImportance(path), /general.type is not "imatrix"; make one with llama-imatrix/);
  });
});

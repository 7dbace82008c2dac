// Context and cache from what is free. npm test -- cache-size
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type CacheDemand, describeCache, sizeCache } from './cache-size.ts';

const GB = 1e9;
/** R1-Distill-Qwen-1.5B: 28 layers with 2 heads of 128 for keys and for values, in bf16. */
const tokenBytes = 28 * 2 * 2 * 128 * 2;
const qwen: CacheDemand = { maxContext: 131_072, blockBytes: 64 * tokenBytes, positionBytes: 512, sequences: 64 };
const size = (demand: Partial<CacheDemand>, freeBytes: number) =>
  sizeCache({ ...qwen, ...demand }, freeBytes, 'a model');

describe('a cache', () => {
  test('holds the whole context where half of the free memory does, else what that half holds, in thousands', () => {
    assert.equal(size({}, 100 * GB).contextLength, 131_072);
    for (const free of [0.1, 1, 2.5, 7]) {
      const { contextLength, bytes, blocks } = size({}, free * GB);
      assert.equal(contextLength % 1024, 0);
      assert.equal(bytes, blocks * qwen.blockBytes);
      assert.ok(contextLength * (tokenBytes + 512) <= 0.5 * free * GB);
      assert.ok((contextLength + 1024) * (tokenBytes + 512) > 0.5 * free * GB);
      assert.ok(blocks >= (contextLength + 1) / 64);
    }
  });

  test('of a short context holds as many as run at once, up to 1 GiB and half of what is free', () => {
    const short = { maxContext: 512 };
    for (const sequences of [1, 2, 64]) assert.equal(size({ ...short, sequences }, 100 * GB).blocks, 9 * sequences);
    assert.equal(size({ ...short, sequences: 100 }, 100 * GB).blocks, Math.floor(2 ** 30 / qwen.blockBytes));
    assert.equal(size(short, GB).blocks, Math.floor(GB / 2 / qwen.blockBytes));
  });

  test('is what was requested, if it fits', () => {
    assert.equal(size({ contextLength: 100_000 }, 4 * GB).contextLength, 100_000);
    assert.equal(size({ contextLength: 1e9 }, 100 * GB).contextLength, 131_072);
    assert.equal(
      size({ contextLength: 64, cacheBytes: 2 * GB }, 3 * GB).blocks,
      Math.floor((2 * GB) / qwen.blockBytes),
    );
    assert.equal(size({ contextLength: 1024, cacheBytes: 1 }, 3 * GB).blocks, 17);
  });

  test('that does not fit is refused, with the flag that helps', () => {
    const problem = '--context: a cache of 3.8 GB for contexts of 131,072 tokens, 2.0 GB are free beside the weights';
    assert.throws(() => size({ contextLength: 131_072 }, 2 * GB), {
      message: `[a model] ${problem}; lower it: 33792 fits with room to spare`,
    });
    assert.throws(() => size({ contextLength: 64, cacheBytes: 5 * GB }, 2 * GB), /--cache-memory: .*; lower it$/);
    for (const free of [0, -5 * GB, 1e6])
      assert.throws(
        () => size({}, free),
        /no room for a context: .* beside its weights; end other programs, or .*int4/,
      );
  });

  test('is described in a line', () => {
    const chosen = size({}, 1.96 * GB);
    assert.equal(
      describeCache(chosen, 131_072, 1.96 * GB),
      'context 32,768 of 131,072 tokens: 979.9 MB for the cache, 2.0 GB free; --context changes it',
    );
    assert.match(describeCache(size({ maxContext: 512 }, 3 * GB), 512, 3 * GB), /^context 512 tokens: 1\.1 GB for/);
  });
});

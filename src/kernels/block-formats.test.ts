// ggml's blocks decode to the bits of gguf-py (scripts/parity/blocks.py). npm test -- block-formats
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type BlockType, blockFormats, decodeBlocks } from './block-formats.ts';
import { packageRoot } from './root.ts';

interface Golden {
  readonly blocks: string;
  readonly sha256: string;
}

const goldens: Readonly<Record<BlockType, Golden>> = JSON.parse(
  readFileSync(join(packageRoot(), 'test/fixtures/blocks.json'), 'utf8'),
);

describe('decoding', () => {
  for (const [type, { blocks, sha256 }] of Object.entries(goldens) as [BlockType, Golden][])
    test(type, () => {
      const bytes = new Uint8Array(Buffer.from(blocks, 'base64'));
      assert.equal(bytes.length, 8 * blockFormats[type].bytes);
      const values = decodeBlocks(type, bytes);
      assert.equal(createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex'), sha256);
    });

  test('every format has a golden', () => {
    assert.deepEqual(Object.keys(goldens).sort(), Object.keys(blockFormats).sort());
  });
});

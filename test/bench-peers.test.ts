// What the benchmark of the engine reads of its peers. npm test -- bench-peers
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isBatched, parseBatchedRates, parsePeer } from '../bench/llama.ts';

/** What ik_llama.cpp wrote to stderr on a busy machine. */
const written = `
main: n_kv_max = 512, n_batch = 2048, n_ubatch = 512, \
flash_attn = 1, is_pp_shared = 0, n_gpu_layers = -1, n_threads = 2, \
n_threads_batch = 2

|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |    S t/s |
|-------|--------|------|--------|----------|----------|----------|----------|----------|----------|
|    16 |      4 |    2 |     40 |    9.547 |     3.35 |    7.971 |     1.00 |   17.518 |     2.28 |
|    16 |      4 |    4 |     80 |   16.029 |     3.99 |   27.865 |     0.57 |   43.894 |     1.82 |

llama_print_timings:        load time =   12204.79 ms
`;

test('rates of llama-batched-bench, by sequences', () => {
  assert.deepEqual(Object.fromEntries(parseBatchedRates(written)), { 2: 1, 4: 0.57 });
  assert.equal(parseBatchedRates('| a | table | of | something | else |\n').size, 0);
});

test('peers as they are written on the command line', () => {
  const peer = parsePeer('ik=bin/llama-batched-bench,-rtr') ?? assert.fail('none');
  assert.deepEqual(peer, { name: 'ik', binary: 'bin/llama-batched-bench', args: ['-rtr'] });
  assert.equal(isBatched(peer), true);
  assert.equal(isBatched({ ...peer, binary: 'bin/llama-bench' }), false);
  assert.deepEqual([parsePeer('ik'), parsePeer('ik='), parsePeer('=bin')], [null, null, null]);
});

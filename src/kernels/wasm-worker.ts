// A thread of the WebAssembly pool: an instance of the module with a stack of its own, in work() until the pool stops.
import { parentPort, workerData } from 'node:worker_threads';
import type { ThreadStart } from './wasm.ts';
import { instantiate } from './wasm-node.ts';

const { module, memory, stack, scratch, posts } = workerData as ThreadStart;
const exports = instantiate(module, memory, () => {
  if (posts) parentPort?.postMessage(null);
});
exports.__stack_pointer.value = stack;
exports.work(scratch);

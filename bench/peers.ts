// Our GEMM beside onnxruntime-node's MatMul in f32 and PyTorch's in bf16: same sizes and threads, in turn.
//
// f32 twice: the second operand given with every call (ours: gemm_nt_f32), and known beforehand, which lets both pack
// it once (ONNX: an initializer; ours: panels). Outputs are allocated before. ONNX files are written here, by field:
// https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. Left out: other operators, other types.
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { packageRoot } from '../src/kernels/root.ts';
import { gemmWork, panelWork } from './gemm.ts';
import type { Bench } from './harness.ts';
import { TimedProcess } from './timed-process.ts';

interface Tensor {
  readonly data: Float32Array;
}

interface Session {
  run(feeds: Record<string, Tensor>, fetches: Record<string, Tensor>): Promise<unknown>;
}

/** The part of onnxruntime-node that is used. */
interface OnnxRuntime {
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<Session> };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => Tensor;
}

/** A protobuf field: numbers as varints, everything else with its length. */
function field(number: number, value: number | string | Uint8Array): Buffer {
  if (typeof value === 'number') return Buffer.concat([varint(number << 3), varint(value)]);
  const bytes = Buffer.from(value as Uint8Array);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 128);
  }
}

/** Y = A B of [size, size] float32. `b`: the values of B, else B is an input. */
function matMulModel(size: number, b?: Float32Array): Buffer {
  const float = 1;
  const shape = Buffer.concat([size, size].map((dim) => field(1, field(1, dim))));
  const value = (name: string) =>
    Buffer.concat([field(1, name), field(2, field(1, Buffer.concat([field(1, float), field(2, shape)])))]);
  const node = Buffer.concat([field(1, 'A'), field(1, 'B'), field(2, 'Y'), field(4, 'MatMul')]);
  const raw = b && new Uint8Array(b.buffer, b.byteOffset, b.byteLength);
  const second = raw
    ? field(5, Buffer.concat([field(1, size), field(1, size), field(2, float), field(8, 'B'), field(9, raw)]))
    : field(11, value('B'));
  const graph = Buffer.concat([field(1, node), field(2, 'g'), field(11, value('A')), second, field(12, value('Y'))]);
  return Buffer.concat([field(1, 8), field(7, graph), field(8, field(2, 13))]);
}

async function peer(ort: OnnxRuntime, threads: number, size: number, known: boolean): Promise<() => Promise<unknown>> {
  const matrix = () => Float32Array.from({ length: size * size }, () => 2 * Math.random() - 1);
  const b = matrix();
  const options = { intraOpNumThreads: threads, interOpNumThreads: 1, graphOptimizationLevel: 'all' };
  const session = await ort.InferenceSession.create(matMulModel(size, known ? b : undefined), options);
  const tensor = (data: Float32Array) => new ort.Tensor('float32', data, [size, size]);
  const feeds = { A: tensor(matrix()), ...(!known && { B: tensor(b) }) };
  const fetches = { Y: tensor(new Float32Array(size * size)) };
  return () => session.run(feeds, fetches);
}

/** Seconds of one run, after the other side's threads have gone to sleep and this one's are awake. */
async function timed(runs: number, run: () => Promise<unknown>): Promise<number> {
  await pause(100);
  for (let i = 0; i < runs; i++) await run();
  const start = performance.now();
  for (let i = 0; i < runs; i++) await run();
  return (performance.now() - start) / 1000 / runs;
}

/** bf16 operands, given with every call. Ours keeps the sums in f32, PyTorch's rounds them to bf16. */
export async function torchProducts(bench: Bench, python: string): Promise<void> {
  const script = join(packageRoot(), 'bench', 'peers', 'products.py');
  for (const size of [512, 1024, 2048, 4096]) {
    const work = gemmWork(bench, 'bf16', size, size, size);
    const args = { size, type: 'bf16', threads: bench.device.threads };
    const flags = Object.entries(args).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const peer = new TimedProcess(python, [script, ...flags], 300);
    const ours = () => {
      work.encode();
      return bench.device.flush();
    };
    try {
      const name = await peer.ready();
      const runs = Math.ceil(6e9 / work.amount);
      const theirs = async () => {
        await pause(100);
        await peer.run(runs);
        return peer.run(runs);
      };
      const seconds: [number[], number[]] = [[], []];
      for (let round = 0; round < bench.rounds; round++) {
        seconds[0].push(await timed(runs, ours));
        seconds[1].push(await theirs());
      }
      bench.beside({
        name: `bf16 ${size}`,
        unit: 'GFLOP/s',
        amount: work.amount,
        seconds: seconds[0],
        yardstick: { name, amount: work.amount, seconds: seconds[1] },
        required: { atLeast: 1 },
      });
    } finally {
      peer.end();
      bench.free();
    }
  }
}

/** `folder`: where onnxruntime-node lies in node_modules. */
export async function onnxProducts(bench: Bench, folder: string): Promise<void> {
  const require = createRequire(join(resolve(folder), 'package.json'));
  const ort: OnnxRuntime = require('onnxruntime-node');
  const { version } = require('onnxruntime-node/package.json');
  for (const size of [512, 1024, 2048]) {
    for (const known of [false, true]) {
      const work = known
        ? panelWork(bench, 'f32', { m: size, n: size, k: size })
        : gemmWork(bench, 'f32', size, size, size);
      const theirs = await peer(ort, bench.device.threads, size, known);
      const ours = () => {
        work.encode();
        return bench.device.flush();
      };
      const runs = Math.ceil(6e9 / work.amount);
      for (const run of [theirs, ours]) await timed(runs, run);
      const seconds: [number[], number[]] = [[], []];
      for (let round = 0; round < bench.rounds; round++) {
        seconds[0].push(await timed(runs, ours));
        seconds[1].push(await timed(runs, theirs));
      }
      bench.beside({
        name: `f32 ${size}, second operand ${known ? 'known beforehand' : 'given'}`,
        unit: 'GFLOP/s',
        amount: work.amount,
        seconds: seconds[0],
        yardstick: { name: `onnxruntime ${version}`, amount: work.amount, seconds: seconds[1] },
        required: { atLeast: 1.05 },
      });
      bench.free();
    }
  }
}

// Whole training steps: taking turns with PyTorch's, and relative to the bf16 GEMM rate of the machine (MFU).
//
// Both sides are processes of their own and learn the same random ids; PyTorch runs at its best (train-peer.ts). Ours
// is the recorded step in bf16. Model FLOPs follow flopsPerToken (causal attention counted once), with MTP where the
// model has it; comparisons leave MTP out, since transformers has none.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../src/kernels/root.ts';
import { Random } from '../src/math/index.ts';
import { flopsPerToken, type ModelConfig, preset, readConfig, writeConfig } from '../src/model/index.ts';
import { windowLength } from '../src/train/index.ts';
import { gemmWork } from './gemm.ts';
import type { Bench } from './harness.ts';
import { TimedProcess } from './timed-process.ts';
import { TrainPeer } from './train-peer.ts';

interface Shape {
  readonly name: string;
  readonly config: ModelConfig;
  readonly batch: number;
  readonly sequence: number;
  readonly peer: 'deepseek' | 'gpt' | 'llama';
  /** The ratio that is asked for with a matrix unit, and without. */
  readonly asked: { readonly amx?: number; readonly other?: number };
}

const withoutMtp = (config: ModelConfig) =>
  readConfig({ ...writeConfig(config), num_nextn_predict_layers: 0 }, 'without MTP');

/** nanoGPT's CPU Shakespeare shape as a Llama: the same width, depth, heads and about the same parameters. */
const nanoGpt = readConfig(
  {
    model_type: 'llama',
    vocab_size: 65,
    hidden_size: 128,
    intermediate_size: 344,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    max_position_embeddings: 64,
    tie_word_embeddings: true,
  },
  'nanoGPT',
);

const smolLm2 = preset('smollm2-135m');
const tiny = withoutMtp(preset('tiny'));
const small = withoutMtp(preset('small'));

const shapes = {
  nano: {
    name: "dense, nanoGPT's shape",
    config: nanoGpt,
    batch: 12,
    sequence: 64,
    peer: 'gpt',
    asked: { amx: 2.2, other: 2 },
  },
  tiny: {
    name: 'tiny without MTP',
    config: tiny,
    batch: 8,
    sequence: 128,
    peer: 'deepseek',
    asked: { amx: 2.5, other: 2.3 },
  },
  smol: {
    name: "dense, SmolLM2-135M's shape",
    config: smolLm2,
    batch: 2,
    sequence: 512,
    peer: 'llama',
    asked: { amx: 1.5 },
  },
  small: {
    name: 'small without MTP',
    config: small,
    batch: 2,
    sequence: 512,
    peer: 'deepseek',
    asked: { amx: 4 },
  },
  long: {
    name: 'tiny without MTP',
    config: { ...tiny, maxPositionEmbeddings: 4096 },
    batch: 1,
    sequence: 4096,
    peer: 'deepseek',
    asked: { amx: 8 },
  },
} as const satisfies Record<string, Shape>;

/** Shares of the machine's bf16 rate; they need no PyTorch. */
const shares = {
  'tiny-mfu': { config: preset('tiny'), batch: 16, sequence: 256, atLeast: 0.3 },
  'small-mfu': { config: preset('small'), batch: 8, sequence: 512, atLeast: 0.45 },
} as const;

export const trainShapes = [...Object.keys(shares), ...Object.keys(shapes)];

const plain = ['bf16', 'f32', 'bf16+compile', 'f32+compile'];
/** bf16+eager first: it is the fastest where a step is long, and its time ends the slower ones early. */
const experts = [
  'bf16+eager',
  'bf16+grouped_mm',
  'bf16+grouped_mm+compile',
  'f32+grouped_mm',
  'bf16+grouped_mm_f32+compile',
  'bf16+grouped_mm_f32',
  'f32+grouped_mm+compile',
  'f32+eager',
];

/** How long the two sides take turns; at least three rounds. */
const turnSeconds = 45;
/** When a side that hangs is ended. */
const limitSeconds = 240;

interface Files {
  readonly config: string;
  readonly ids: string;
}

async function withFiles(config: ModelConfig, batch: number, sequence: number, body: (files: Files) => Promise<void>) {
  const folder = mkdtempSync(join(tmpdir(), 'minke-bench-'));
  const files = { config: join(folder, 'config.json'), ids: join(folder, 'ids') };
  const random = new Random(1);
  const steps = 16;
  writeFileSync(files.config, JSON.stringify(writeConfig(config)));
  writeFileSync(
    files.ids,
    Int32Array.from({ length: steps * batch * windowLength(config, sequence) }, () => random.below(config.vocabSize)),
  );
  try {
    await body(files);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function startOwn(files: Files, batch: number, sequence: number): TimedProcess {
  const script = join(packageRoot(), 'dist', 'bench', 'train-process.js');
  return new TimedProcess(process.execPath, [script, files.config, files.ids, `${batch}`, `${sequence}`], limitSeconds);
}

/** Seconds of both sides in turn, until the time is over. */
async function takeTurns(rounds: number, own: () => Promise<number>, other: () => Promise<number>) {
  const end = performance.now() + turnSeconds * 1000;
  const [seconds, theirs]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds && (round < 3 || performance.now() < end); round++) {
    seconds.push(await own());
    theirs.push(await other());
  }
  return { seconds, theirs };
}

async function beside(bench: Bench, python: string, shape: Shape): Promise<void> {
  const { config, batch, sequence } = shape;
  await withFiles(config, batch, sequence, async (files) => {
    const sizes = { ids: files.ids, config: files.config, batch, sequence, threads: bench.device.threads };
    const args = Object.entries(sizes).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const peer = new TrainPeer(python, [shape.peer, ...args]);
    const way = await peer.findBest(shape.peer === 'deepseek' ? experts : plain);
    const [own, other] = [startOwn(files, batch, sequence), peer.start(way, limitSeconds)];
    try {
      await Promise.all([own.ready(), other.ready()]);
      const { seconds, theirs } = await takeTurns(
        bench.rounds,
        () => own.run(),
        () => other.run(),
      );
      const name = `${shape.name}, ${batch} x ${sequence}`;
      const amount = batch * sequence;
      const yardstick = { name: `PyTorch ${way.mode}, ${way.allocator}`, amount, seconds: theirs };
      const atLeast = bench.device.isa === 'amx' ? shape.asked.amx : shape.asked.other;
      bench.beside({
        name,
        unit: 'tokens/s',
        amount,
        seconds,
        yardstick,
        ...(atLeast !== undefined && { required: { atLeast } }),
      });
      const [ours, peak] = [own.peakBytes(), other.peakBytes()];
      if (ours !== undefined && peak !== undefined)
        bench.amount(`${name}, peak memory`, 'MB', ours / 1e6, { name: 'PyTorch', amount: peak / 1e6 }, { atMost: 1 });
    } finally {
      own.end();
      other.end();
    }
  });
}

/** Measures the share of the bf16 GEMM rate that becomes model FLOPs. */
async function measureShare(
  bench: Bench,
  name: string,
  { config, batch, sequence, atLeast }: (typeof shares)[keyof typeof shares],
) {
  const gemm = gemmWork(bench, 'bf16', 1024, 1024, 1024);
  const { training, mtpTraining } = flopsPerToken(config, sequence);
  const gemms = 10;
  await withFiles(config, batch, sequence, async (files) => {
    const own = startOwn(files, batch, sequence);
    try {
      await own.ready();
      const { seconds, theirs } = await takeTurns(
        bench.rounds,
        () => own.run(),
        async () => {
          const start = performance.now();
          for (let i = 0; i < gemms; i++) gemm.encode();
          await bench.device.flush();
          return (performance.now() - start) / 1000 / gemms;
        },
      );
      bench.beside({
        name: `${name}, ${batch} x ${sequence}, MFU`,
        unit: 'GFLOP/s',
        seconds,
        required: { atLeast },
        amount: (training + mtpTraining) * batch * sequence,
        yardstick: { name: 'bf16 GEMM 1024', amount: gemm.amount, seconds: theirs },
      });
    } finally {
      own.end();
    }
  });
}

/** Measures the shapes named; those with a peer only where there is a Python. */
export async function training(bench: Bench, names: readonly string[], python?: string): Promise<void> {
  for (const name of names) {
    if (name in shares) await measureShare(bench, name.replace('-mfu', ''), shares[name as keyof typeof shares]);
    else if (python !== undefined) await beside(bench, python, shapes[name as keyof typeof shapes]);
    else console.log(`  ${name}: needs --python`);
  }
}

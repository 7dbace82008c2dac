// The command queue itself: what a command costs to encode and a list to replay, whether the event loop stays free,
// and what happens when another process takes a core.
import { spawn } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { calibrate, dtypeCode, openDevice, sample } from '../src/kernels/index.ts';
import { median } from '../src/math/index.ts';
import { gemmWork } from './gemm.ts';
import type { Bench } from './harness.ts';

const elements = 16; // of the tiny add that stands for a command

export async function queue(bench: Bench): Promise<void> {
  await encoding(bench);
  await replaying(bench);
  await ticking(bench);
  await busyCore(bench);
}

/** Nanoseconds of encoding one command, in each round: lists as long as those that a flush submits. */
function encodeNanoseconds({ device, rounds }: Bench, encode: () => void): number[] {
  const [lists, commands] = [50, 400];
  const nanoseconds: number[] = [];
  for (let round = 0; round < rounds + 5; round++) {
    let elapsed = 0;
    for (let list = 0; list < lists; list++) {
      const { recording } = device.record([], () => {
        const start = performance.now();
        for (let i = 0; i < commands; i++) encode();
        elapsed += performance.now() - start;
      });
      recording.dispose();
    }
    if (round >= 5) nanoseconds.push((elapsed * 1e6) / (lists * commands)); // the first rounds are still being compiled
  }
  return nanoseconds;
}

async function encoding(bench: Bench): Promise<void> {
  const { device } = bench;
  const [a, b, out] = [0, 1, 2].map(() => bench.random('f32', elements)) as [number, number, number];
  const few = encodeNanoseconds(bench, () => device.run('add_f32', { a, b, out, n: elements }));
  bench.value('encode one command of 4 words', 'ns', few, { atMost: 100 });
  const many = encodeNanoseconds(bench, () =>
    device.run('rms_norm_backward', {
      x: a,
      gain: b,
      inv_rms: b,
      dy: b,
      added: null,
      dx: out,
      rounded: null,
      dgain: null,
      workspace: out,
      rows: 1,
      cols: elements,
      x_ld: elements,
      dy_ld: elements,
      dx_ld: elements,
      x_type: dtypeCode.f32,
      dy_type: dtypeCode.f32,
      accumulate_dgain: 0,
    }),
  );
  bench.value('encode one command of 17 words', 'ns', many, { atMost: 100 });
}

/** Microseconds from replay() to the promise, over many replays. */
async function replayMicroseconds(bench: Bench, commands: number): Promise<number[]> {
  const { device } = bench;
  const [a, b, out] = [0, 1, 2].map(() => bench.random('f32', elements)) as [number, number, number];
  const { recording } = device.record([], () => {
    for (let i = 0; i < commands; i++) device.run('add_f32', { a, b, out, n: elements });
  });
  const samples: number[] = [];
  for (let i = 0; i < 300; i++) {
    const start = performance.now();
    recording.replay();
    await device.flush();
    samples.push((performance.now() - start) * 1000);
  }
  recording.dispose();
  return samples.slice(100);
}

async function replaying(bench: Bench): Promise<void> {
  const added: number[] = [];
  const trips: number[] = [];
  for (let round = 0; round < bench.rounds; round++) {
    const one = await replayMicroseconds(bench, 1);
    const many = await replayMicroseconds(bench, 300);
    trips.push(median(one));
    added.push(median(many) - median(one));
  }
  bench.value('replay of 1 command, until its promise', 'us', trips);
  bench.value('replay of 300 commands, beyond that', 'us', added, { atMost: 20 });
}

async function ticking(bench: Bench): Promise<void> {
  const work = gemmWork(bench, 'f32', 1024, 1024, 1024);
  const repeats = await calibrate(bench.device, work, 1000);
  const rates: number[] = [];
  const gaps: number[] = [];
  for (let round = 0; round < 3; round++) {
    const ticks: number[] = [];
    const start = performance.now();
    const timer = setInterval(() => ticks.push(performance.now()), 5);
    await sample(bench.device, work, repeats);
    clearInterval(timer);
    const end = performance.now();
    rates.push((1000 * ticks.length) / (end - start));
    gaps.push(Math.max(...[...ticks, end].map((tick, i) => tick - (ticks[i - 1] ?? start))));
  }
  // 200 a second would be all; the loop shares the cores with the pool, so half of them is the mark.
  bench.value('5 ms timer while a list of 1 s runs', 'ticks/s', rates, { atLeast: 100 }, true);
  bench.value('longest gap between its ticks', 'ms', gaps);
}

async function busyCore(bench: Bench): Promise<void> {
  const all = bench.device;
  const one = openDevice({ device: all.name, isa: all.isa, threads: 1 });
  const alone = bench.on(one);
  const busy = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
  try {
    await pause(300);
    const size = 1024;
    const shared = gemmWork(bench, 'f32', size, size, size);
    const single = gemmWork(alone, 'f32', size, size, size);
    const repeats = await calibrate(one, single, 60);
    const ratios: number[] = [];
    for (let round = 0; round < bench.rounds; round++) {
      const manySeconds = await sample(all, shared, repeats);
      ratios.push(manySeconds / (await sample(one, single, repeats)));
    }
    bench.value(`one core taken: time of ${all.threads} threads over one thread`, 'x', ratios, { atMost: 1.3 });
  } finally {
    busy.kill('SIGKILL');
    alone.free();
    await one.close();
  }
}

// npm run bench -- kernels [families...]    every kernel family beside its yardstick
// npm run bench -- peers                    our GEMM beside those of --onnxruntime DIR and --python PATH
// npm run bench -- train --python PATH      training steps beside PyTorch's (bench/peers/train.py)
// npm run bench -- rl --python PATH         rollouts and GRPO steps beside peers' (bench/peers/rl.py)
// npm run bench -- engine --peer NAME=PATH  decoding and prompts beside llama.cpp's binaries, by shape of the model
// npm run bench -- serve                    streams through the server beside the bare engine
// npm run bench -- revision CHECKOUT        this revision beside another one that is built in its own folder
// npm run bench -- load, memory FILE        5 GB from openModel to the first token; memory of a server over a file
// npm run bench -- predictions RUNS...      what finished runs were predicted to compute and take, and did
// npm run bench -- overview                 bench/results/overview.md, from the pages; a run of all families writes one
import { Command } from 'commander';
import { openDevice } from '../src/kernels/index.ts';
import { attention } from './attention.ts';
import { engines, type ShapeName, shapeNames } from './engine.ts';
import { gemm, gemv, grouped, packed } from './gemm.ts';
import { Bench, type Result } from './harness.ts';
import { type EnginePeer, parsePeer } from './llama.ts';
import { loading, loadShapes } from './load.ts';
import { serverMemory } from './memory.ts';
import { writeOverview } from './overview.ts';
import { paged } from './paged.ts';
import { onnxProducts, torchProducts } from './peers.ts';
import { predictions } from './predictions.ts';
import { queue } from './queue.ts';
import { describe, keep, line, newReport } from './report.ts';
import { revision } from './revision.ts';
import { benchRlSteps } from './rl.ts';
import { rowKernels } from './rows.ts';
import { sampling } from './sampling.ts';
import { serving } from './serve.ts';
import { tokenizer } from './tokenizer.ts';
import { training, trainShapes } from './train.ts';
import { wasm } from './wasm.ts';

const families = {
  gemm,
  gemv,
  packed,
  grouped,
  attention,
  paged,
  rows: rowKernels,
  sampling,
  wasm,
  queue,
  tokenizer,
} as const;
type FamilyName = keyof typeof families;

async function collect(
  what: string,
  rounds: number,
  write: boolean,
  body: (bench: Bench) => Promise<void>,
): Promise<void> {
  const device = openDevice();
  const machine = describe(device);
  const results: Result[] = [];
  console.log(`${machine}\n${line(undefined)}`);
  const bench = new Bench(device, rounds, (result) => {
    results.push(result);
    console.log(line(result));
  });
  try {
    await body(bench);
  } finally {
    bench.free();
    await device.close();
  }
  const missed = results.filter((result) => result.passed === false).length;
  console.log(`${results.length} figures, ${missed} below what is required`);
  if (!write) return;
  console.log(`kept in ${keep(newReport(machine, rounds, results), what)}.md`);
  writeOverview();
}

const program = new Command('bench')
  .description('measures kernels beside yardsticks')
  .option('--rounds <n>', 'samples', '11');

program
  .command('kernels')
  .argument('[families...]', `of ${Object.keys(families).join(', ')}; all when none is named`)
  .action(async (names: FamilyName[]) => {
    for (const name of names)
      if (!families[name]) program.error(`no family named ${name}: choose of ${Object.keys(families).join(', ')}`);
    const chosen = names.length > 0 ? names : (Object.keys(families) as FamilyName[]);
    await collect('kernels', Number(program.opts().rounds), names.length === 0, async (bench) => {
      for (const name of chosen) await bench.family(name, families[name]);
    });
  });

program
  .command('peers')
  .description('matrix products beside those of other libraries, each at its best')
  .option('--onnxruntime <folder>', 'where onnxruntime-node lies in node_modules')
  .option('--python <path>', 'a Python with torch 2.13.0')
  .action(async ({ onnxruntime, python }: { onnxruntime?: string; python?: string }) => {
    if (!onnxruntime && !python) program.error('no peer: give --onnxruntime, --python, or both');
    await collect('peers', Number(program.opts().rounds), Boolean(onnxruntime && python), (bench) =>
      bench.family('gemm', async (inFamily) => {
        if (python) await torchProducts(inFamily, python);
        if (onnxruntime) await onnxProducts(inFamily, onnxruntime);
      }),
    );
  });

program
  .command('train')
  .description('training steps beside PyTorch and beside what the machine multiplies')
  .option(
    '--python <path>',
    'a Python with torch 2.13.0 and transformers 5.23.0; without, only the share of the machine',
  )
  .option('--shape <names...>', `of ${trainShapes.join(', ')}; all when none is named`)
  .action(async ({ python, shape = [] }: { python?: string; shape?: string[] }) => {
    for (const name of shape)
      if (!trainShapes.includes(name)) program.error(`no shape named ${name}: choose of ${trainShapes.join(', ')}`);
    const chosen = shape.length > 0 ? shape : trainShapes;
    const isWhole = shape.length === 0 && python !== undefined;
    await collect('train', Number(program.opts().rounds), isWhole, (bench) =>
      bench.family('train', (inFamily) => training(inFamily, chosen, python)),
    );
  });

program
  .command('predictions')
  .description('what finished runs were predicted to compute and take, beside what they did')
  .argument('<runs...>', 'folders of runs')
  .action((runs: string[]) =>
    collect('predictions', 1, true, (bench) => bench.family('predictions', (inFamily) => predictions(inFamily, runs))),
  );

program.command('overview').description('the newest figures of each kind of machine').action(writeOverview);

program
  .command('rl')
  .description('rollouts beside plain batches of the engine, and GRPO steps beside PyTorch with generate and TRL')
  .option('--python <path>', 'a Python with torch 2.13.0, transformers 5.23.0 and trl 1.16.0; without, rollouts only')
  .action(({ python }: { python?: string }) =>
    collect('rl', Number(program.opts().rounds), python !== undefined, (bench) =>
      bench.family('rl', (inFamily) => benchRlSteps(inFamily, python)),
    ),
  );

function enginePeer(text: string): EnginePeer {
  return parsePeer(text) ?? program.error(`--peer ${text}: expected NAME=PATH`);
}

program
  .command('engine')
  .description('prompts and decoding of random V3-shaped models beside llama.cpp on the same GGUF files')
  .argument('[shapes...]', `of ${shapeNames.join(', ')}; smallv3 when none is named`)
  .option(
    '--peer <name=path...>',
    'a binary: llama-bench for one sequence, llama-batched-bench for many, ' +
      'with further arguments after commas: ik=PATH,-rtr,1',
  )
  .option('--models <folder>', 'keeps the files of the models there, and uses those it finds')
  .action(async (names: ShapeName[], { peer = [], models }: { peer?: string[]; models?: string }) => {
    await collect('engine', Number(program.opts().rounds), true, async (bench) => {
      for (const name of names.length > 0 ? names : (['smallv3'] as const))
        await bench.family('engine', (inFamily) => engines(inFamily, name, peer.map(enginePeer), models));
    });
  });

program
  .command('serve')
  .description('streams of 1 to 128 clients through the server, beside the engine alone')
  .action(() => collect('serve', Number(program.opts().rounds), true, (bench) => bench.family('serve', serving)));

program
  .command('load')
  .description('from openModel to the first token of a ready checkpoint of 5 GB, which is made for it and deleted')
  .argument('[shapes...]', `of ${loadShapes.join(', ')}; all when none is named`)
  .action((names: string[]) => {
    for (const name of names) if (!loadShapes.includes(name)) program.error(`no shape named ${name}`);
    const chosen = names.length > 0 ? names : loadShapes;
    return collect('load', Number(program.opts().rounds), names.length === 0, (bench) =>
      bench.family('load', (inFamily) => loading(inFamily, chosen)),
    );
  });

program
  .command('memory')
  .description('the memory of minke serve over a GGUF file, and the first prompt of a size beside the second')
  .argument('<file>', 'a GGUF file')
  .action((file: string) =>
    collect('memory', Number(program.opts().rounds), true, (bench) =>
      bench.family('memory', (inFamily) => serverMemory(inFamily, file)),
    ),
  );

program
  .command('revision')
  .description('prompts, decoding, training steps, and RL steps beside another revision, built in a folder of its own')
  .argument('<checkout>', 'the folder of the other revision, after npm run build')
  .action((checkout: string) =>
    collect('revision', Number(program.opts().rounds), true, (bench) =>
      bench.family('revision', (inFamily) => revision(inFamily, checkout)),
    ),
  );

await program.parseAsync();

// The server beside the engine alone: the same prompts and model, streams of 1 to 128 clients.
//
// Clients run in their own process (serve-client.ts) and count tokens as they arrive; the engine alone runs in this
// process. The two alternate, so that other load hits both. The model is `small` with random weights.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Engine, type GenerateOptions, LatentPages, ModelRunner, ServedModel } from '../src/engine/index.ts';
import { median, quantile } from '../src/math/index.ts';
import { servingWeights, weightValues } from '../src/model/checkpoint/index.ts';
import { createModel, initialWeights, precisions, preset } from '../src/model/index.ts';
import { listen } from '../src/server/index.ts';
import { useDevice } from '../src/tensor/index.ts';
import {
  chatProfiles,
  readChatTemplate,
  readSpecialTokens,
  Tokenizer,
  trainTokenizer,
} from '../src/tokenizer/index.ts';
import type { Bench } from './harness.ts';

const promptLength = 64;
const tokens = 64;

export interface ClientReport {
  readonly seconds: number;
  /** Milliseconds to the first chunk of every stream, and between chunks. */
  readonly firsts: readonly number[];
  readonly gaps: readonly number[];
}

async function openServed(bench: Bench): Promise<ServedModel> {
  const { device } = bench;
  const { specialTokens, config: chat } = chatProfiles['deepseek-v3'];
  const json = trainTokenizer(['the quick brown fox jumps over the lazy dog '.repeat(20)], {
    vocabSize: 320,
    specialTokens,
  });
  const config = preset('small', { vocabSize: 320 });
  const plain = initialWeights(config, 1, device);
  const values = new Map(weightValues(config, plain).map((value) => [value.name, value]));
  const entries = new Map(
    [...values].map(([name, { shape }]) => [name, { name, shape, type: 'F32' as const, file: '' }]),
  );
  const read = async (name: string) => {
    const data = (await values.get(name)?.read()) as Float32Array;
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  };
  const { weights } = await servingWeights(config, { entries, read, close: async () => undefined }, { format: 'bf16' });
  for (const weight of plain.values()) weight.dispose();
  const model = createModel(config, weights, 1024);
  const runner = new ModelRunner(model, {
    cache: new LatentPages(model.config, 512),
    policy: precisions.bf16,
    speculate: false,
  });
  const engine = new Engine(runner, { blocks: 512, contextLength: 1023, maxSequences: 128, prefixCache: false });
  const special = {
    specialTokens: readSpecialTokens(chat),
    chatTemplate: readChatTemplate(chat),
    bosId: 0,
    padId: null,
  };
  return new ServedModel({
    name: 'small',
    vocabSize: 320,
    fingerprint: 'bench',
    engine,
    tokenizer: { tokenizer: new Tokenizer(json), ...special, eosIds: [] },
    free: async () => {
      model.dispose();
      for (const weight of weights.values()) weight.dispose();
    },
  });
}

const newPrompt = (seed: number) => Array.from({ length: promptLength }, (_, i) => 40 + ((seed * 31 + i * 7) % 270));

async function bare(model: ServedModel, streams: number): Promise<number> {
  const options: GenerateOptions = { maxTokens: tokens, temperature: 0 };
  const start = performance.now();
  await Promise.all(
    Array.from({ length: streams }, async (_, i) => {
      for await (const event of model.generate(newPrompt(i), options))
        if (event.type === 'end' && event.error) throw event.error;
    }),
  );
  return (performance.now() - start) / 1000;
}

export async function serving(bench: Bench): Promise<void> {
  useDevice(bench.device);
  const model = await openServed(bench);
  const server = await listen(model, { port: 0 });
  const script = fileURLToPath(new URL('./serve-client.js', import.meta.url));
  const client = spawn(process.execPath, [script, server.url], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: client.stdout })[Symbol.asyncIterator]();
  const served = async (streams: number): Promise<ClientReport> => {
    client.stdin.write(
      `${JSON.stringify({ streams, tokens, prompts: Array.from({ length: streams }, (_, i) => newPrompt(i)) })}\n`,
    );
    return JSON.parse((await lines.next()).value as string) as ClientReport;
  };
  try {
    for (const streams of [1, 8, 32, 128]) {
      await bare(model, streams);
      await served(streams);
      const [ours, engine]: [ClientReport[], number[]] = [[], []];
      for (let round = 0; round < bench.rounds; round++) {
        ours.push(await served(streams));
        engine.push(await bare(model, streams));
      }
      const amount = streams * tokens;
      bench.beside({
        name: `${streams} streams through the server`,
        unit: 'tokens/s',
        amount,
        seconds: ours.map(({ seconds }) => seconds),
        yardstick: { name: 'the engine alone', amount, seconds: engine },
        required: { atLeast: 0.9 },
      });
      for (const [name, of] of [
        ['time to first token', 'firsts'],
        ['time between tokens', 'gaps'],
      ] as const)
        for (const share of [0.5, 0.99])
          bench.value(
            `${name}, ${streams} streams, p${100 * share}`,
            'ms',
            ours.map((r) => (share === 0.5 ? median(r[of]) : quantile(r[of], share))),
          );
    }
  } finally {
    client.stdin.end();
    await server.close(0);
    await model.close();
  }
}

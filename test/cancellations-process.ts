// The process that cancellations.slow.test.ts runs: the requests, and what remains after them, as JSON on stdout.
//
// It is a process of its own because the test runner hooks into every promise.
import { Engine, LatentPages, ModelRunner, ServedModel } from '../src/engine/index.ts';
import { testTokenizer } from '../src/engine/test-tokenizer.ts';
import { type Device, openDevice } from '../src/kernels/index.ts';
import { Random } from '../src/math/index.ts';
import { createModel, initialWeights, precisions, readConfig } from '../src/model/index.ts';
import { createApp } from '../src/server/app.ts';
import { keep, useDevice } from '../src/tensor/index.ts';

/** The long check sends all of them, `npm test` a sample. */
const requests = process.env.MINKE_LONG ? 20_000 : 4000;
const clients = 128;
/** The last two share a block of the cache. */
const prompts = ['to be', 'or not', 'the fox', '1 2 3', ...[24, 25].map((n) => 'the quick brown fox says '.repeat(n))];

/** A model with drafts, so that steps have two rows. */
function serve(device: Device): ServedModel {
  const tokenizer = testTokenizer();
  const { vocabSize } = tokenizer.tokenizer;
  const config = readConfig({
    model_type: 'deepseek_v3',
    vocab_size: vocabSize,
    hidden_size: 32,
    intermediate_size: 32,
    n_group: 1,
    moe_intermediate_size: 32,
    num_hidden_layers: 1,
    num_attention_heads: 1,
    n_routed_experts: 2,
    topk_group: 1,
    num_experts_per_tok: 1,
    n_shared_experts: 1,
    kv_lora_rank: 32,
    q_lora_rank: 32,
    qk_rope_head_dim: 16,
    qk_nope_head_dim: 16,
    v_head_dim: 16,
    first_k_dense_replace: 0,
    max_position_embeddings: 256,
    initializer_range: 0.2,
    num_nextn_predict_layers: 1,
  });
  const weights = initialWeights(config, 3, device);
  for (const weight of weights.values()) keep(weight);
  const model = createModel(config, weights, 257);
  const blocks = 96;
  const runner = new ModelRunner(model, { cache: new LatentPages(model.config, blocks), policy: precisions.bf16 });
  return new ServedModel({
    name: 'tiny',
    vocabSize,
    tokenizer,
    fingerprint: 'fp_test',
    engine: new Engine(runner, { blocks, contextLength: 256, maxSequences: 64 }),
    free: async () => {
      await device.flush();
      model.dispose();
      for (const weight of weights.values()) weight.dispose();
    },
  });
}

const textIn = (frames: string): string =>
  [...frames.matchAll(/^data: (\{.*)$/gm)].map(([, json]) => JSON.parse(json).choices[0]?.text ?? '').join('');

type App = ReturnType<typeof createApp>;

function request(choice: number, stream: boolean, signal: AbortSignal): Request {
  const body = { prompt: prompts[choice], seed: choice, max_tokens: 6, ignore_eos: true, stream };
  return new Request('http://localhost/v1/completions', { method: 'POST', body: JSON.stringify(body), signal });
}

async function whole(app: App, choice: number, signal: AbortSignal): Promise<string | null> {
  const response = await app.fetch(request(choice, false, signal));
  const body = (await response.json()) as { choices?: { text: string }[]; error?: { code: string } };
  if (response.status === 408) return null;
  if (response.status !== 200) throw new Error(`${response.status} ${JSON.stringify(body)}`);
  return body.choices?.[0]?.text ?? '';
}

/** Reads the given number of frames, then leaves: by its signal, or by canceling the stream. */
async function streamed(app: App, choice: number, frames: number, cancels: boolean): Promise<string | null> {
  const controller = new AbortController();
  const response = await app.fetch(request(choice, true, controller.signal));
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let text = '';
  for (let i = 0; ; i++) {
    if (i === frames) {
      if (cancels) await reader.cancel();
      else controller.abort();
    }
    const { done, value } = await reader.read();
    if (done) return i >= frames ? null : textIn(text);
    text += new TextDecoder().decode(value);
  }
}

/** Sends one client's request. Returns null if the client left before the end. */
async function send(app: App, random: Random, choice: number): Promise<string | null> {
  const way = random.below(6);
  if (way === 0) return streamed(app, choice, Number.POSITIVE_INFINITY, false);
  if (way <= 2) return streamed(app, choice, random.below(7), way === 1);
  const controller = new AbortController();
  if (way === 3) return whole(app, choice, controller.signal);
  const answer = whole(app, choice, controller.signal);
  for (let turns = random.below(30); turns > 0; turns--) await new Promise(setImmediate);
  controller.abort();
  return answer;
}

/** What is in use once every client has gone. */
export interface Levels {
  readonly blocksUsed: number;
  readonly running: number;
  readonly waiting: number;
  readonly live: number;
}

export interface CancellationReport {
  readonly requests: number;
  /** Answers read to their end: the same as the prompt alone gives, or another. */
  readonly same: number;
  readonly different: number;
  /** Requests whose client left before the end. */
  readonly abandoned: number;
  readonly cachedTokens: number;
  /** After a quarter, and at the end. */
  readonly levels: readonly Levels[];
  /** Bytes between the same two moments. */
  readonly heapGrown: number;
  /** Bytes of the device, from before the model to after it. */
  readonly deviceGrown: number;
}

function heapBytes(): number {
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function report(): Promise<CancellationReport> {
  const device = openDevice({ threads: 1 });
  useDevice(device);
  const started = device.liveBytes;
  const model = serve(device);
  const app = createApp(model);
  const alone: (string | null)[] = [];
  for (const choice of prompts.keys()) alone.push(await whole(app, choice, new AbortController().signal));
  const count = { requests: 0, same: 0, different: 0, abandoned: 0 };
  const random = new Random(5);
  const crowd = async (until: number): Promise<Levels> => {
    const client = async () => {
      while (count.requests < until) {
        count.requests++;
        const choice = random.below(random.below(16) === 0 ? prompts.length : 4);
        const text = await send(app, random, choice);
        if (text === null) count.abandoned++;
        else if (text === alone[choice]) count.same++;
        else count.different++;
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
    const { blocksUsed, running, waiting } = model.stats;
    return { blocksUsed, running, waiting, live: app.live };
  };
  const first = await crowd(requests / 4);
  const heap = heapBytes();
  const last = await crowd(requests);
  const heapGrown = heapBytes() - heap;
  const { cachedTokens } = model.stats;
  await model.close();
  await device.flush();
  const deviceGrown = device.liveBytes - started;
  await device.close();
  return { ...count, cachedTokens, levels: [first, last], heapGrown, deviceGrown };
}

console.log(JSON.stringify(await report()));

// A model's tensors as GGUF stores them, and back: llama.cpp's names, experts stacked, MLA's kv_b_proj in two halves.
//
// One table for both directions: each GGUF tensor is made of checkpoint tensors (Hugging Face names), perhaps
// reordered. llama's queries and keys are stored with the halves of each head interleaved, because llama.cpp rotates
// neighbors there; deepseek2 rotates neighbors by itself and qwen2 rotates halves. attn_k_b [H, C, N] is W_UK
// transposed, attn_v_b [H, V, C] is W_UV. Norms, biases and the router are F32, and a block format falls back to F16
// where a row is not whole blocks. MTP modules follow as further blocks with llama.cpp's names (nextn); llama.cpp's
// deepseek2 has none and refuses files with unknown tensors, so write a file for it from a configuration without
// modules.
import { architectureFor } from '../architecture/index.ts';
import { type GqaConfig, isMla, type MlaConfig, type ModelConfig } from '../config.ts';
import { countElements, hasExperts, listParameters } from '../parameters.ts';
import { CheckpointError } from './errors.ts';
import { sharedByTwo, type TensorValues } from './export.ts';
import { type GgmlType, ggmlBytes, ggmlTypes, type WritableType } from './ggml-blocks.ts';
import { type GgufHeader, openGguf } from './gguf.ts';
import { readGgufConfig } from './gguf-config.ts';
import { frequencyFactors, ropeFreqs } from './gguf-rope.ts';
import type { GgufTensor } from './gguf-writer.ts';
import { listPieces } from './pieces.ts';
import {
  decode,
  type ElementRange,
  findEntry,
  resolveRange,
  type StoredType,
  type TensorEntry,
  type TensorSource,
} from './source.ts';

/** Another order of rows in the file. Rows are values, or bytes as they are stored. */
interface RowOrder {
  readonly toFile: (rows: Float32Array) => Float32Array;
  readonly fromFile: (rows: Uint8Array) => Uint8Array;
}

interface Mapping {
  readonly name: string;
  readonly shape: readonly number[];
  /** The checkpoint tensors that it concatenates. */
  readonly from: readonly string[];
  readonly order?: RowOrder;
}

/** Swaps two axes of [a, b, c, d]: to [a, c, b, d]; d is what remains. */
function swapMiddle<T extends Float32Array | Uint8Array>(values: T, [a, b, c]: readonly [number, number, number]): T {
  const out = values.slice() as T;
  const d = values.length / (a * b * c);
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++)
      for (let k = 0; k < c; k++)
        out.set(values.subarray(((i * b + j) * c + k) * d, ((i * b + j) * c + k + 1) * d), ((i * c + k) * b + j) * d);
  return out;
}

/** Reorders the rows of each head from halves to neighbors. */
function interleave(heads: number, width: number): RowOrder {
  const half = width / 2;
  return {
    toFile: (rows) => swapMiddle(rows, [heads, 2, half]),
    fromFile: (rows) => swapMiddle(rows, [heads, half, 2]),
  };
}

/** The factors of rope_freqs.weight that are read: more than any head has pairs. */
const maxRopePairs = 2 ** 12;

type NamePair = readonly [gguf: string, huggingFace: string];

const outside: readonly NamePair[] = [
  ['token_embd.weight', 'model.embed_tokens.weight'],
  ['output_norm.weight', 'model.norm.weight'],
  ['output.weight', 'lm_head.weight'],
];

const everywhere = [
  ['attn_norm.weight', 'input_layernorm.weight'],
  ['ffn_norm.weight', 'post_attention_layernorm.weight'],
  ['attn_output.weight', 'self_attn.o_proj.weight'],
  ['attn_output.bias', 'self_attn.o_proj.bias'],
  ['ffn_gate.weight', 'mlp.gate_proj.weight'],
  ['ffn_up.weight', 'mlp.up_proj.weight'],
  ['ffn_down.weight', 'mlp.down_proj.weight'],
] as const;

const mla = [
  ['attn_q.weight', 'self_attn.q_proj.weight'],
  ['attn_q_a.weight', 'self_attn.q_a_proj.weight'],
  ['attn_q_a_norm.weight', 'self_attn.q_a_layernorm.weight'],
  ['attn_q_b.weight', 'self_attn.q_b_proj.weight'],
  ['attn_kv_a_mqa.weight', 'self_attn.kv_a_proj_with_mqa.weight'],
  ['attn_kv_a_norm.weight', 'self_attn.kv_a_layernorm.weight'],
  ['ffn_gate_inp.weight', 'mlp.gate.weight'],
  ['exp_probs_b.bias', 'mlp.gate.e_score_correction_bias'],
  ['ffn_gate_shexp.weight', 'mlp.shared_experts.gate_proj.weight'],
  ['ffn_up_shexp.weight', 'mlp.shared_experts.up_proj.weight'],
  ['ffn_down_shexp.weight', 'mlp.shared_experts.down_proj.weight'],
  ['nextn.enorm.weight', 'enorm.weight'],
  ['nextn.hnorm.weight', 'hnorm.weight'],
  ['nextn.eh_proj.weight', 'eh_proj.weight'],
  ['nextn.shared_head_norm.weight', 'shared_head.norm.weight'],
] as const;

const gqa = (['q', 'k', 'v'] as const).flatMap((which) =>
  (['weight', 'bias'] as const).map((part) => [`attn_${which}.${part}`, `self_attn.${which}_proj.${part}`] as const),
);

/** What attn_k_b and attn_v_b were before llama.cpp split them. */
const [combinedKvB, ownKvB] = ['attn_kv_b.weight', 'self_attn.kv_b_proj.weight'] as const;

function expertMappings(c: MlaConfig, i: number): Mapping[] {
  const { nRoutedExperts: E, moeIntermediateSize: F, hiddenSize: D } = c;
  return (['gate', 'up', 'down'] as const).map((which) => ({
    name: `blk.${i}.ffn_${which}_exps.weight`,
    shape: which === 'down' ? [E, D, F] : [E, F, D],
    from: Array.from({ length: E }, (_, e) => `model.layers.${i}.mlp.experts.${e}.${which}_proj.weight`),
  }));
}

/** Counts main layers and MTP modules. */
const countBlocks = (config: ModelConfig) =>
  config.numHiddenLayers + (isMla(config) ? config.numNextnPredictLayers : 0);

/** Lists the tensors of a file. `names`: what an existing one has. */
function listMappings(config: ModelConfig, names: ReadonlySet<string> | null = null): Mapping[] {
  const shapes = new Map(listParameters(config).map(({ name, shape }) => [name, shape]));
  const rename = (pairs: readonly NamePair[], gguf = '', huggingFace = '') =>
    pairs.flatMap(([name, own]): Mapping[] => {
      const from = huggingFace + own;
      const shape = shapes.get(from);
      return shape ? [{ name: gguf + name, shape, from: [from] }] : [];
    });
  const layers = Array.from({ length: countBlocks(config) }, (_, i): Mapping[] => {
    const pairs = [...everywhere, ...(isMla(config) ? mla : gqa)];
    const own = rename(pairs, `blk.${i}.`, `model.layers.${i}.`);
    const combined = names?.has(`blk.${i}.${combinedKvB}`)
      ? rename([[combinedKvB, ownKvB]], `blk.${i}.`, `model.layers.${i}.`)
      : [];
    if (isMla(config)) return [...own, ...combined, ...(hasExperts(config, i) ? expertMappings(config, i) : [])];
    return own.map((mapping) => ({ ...mapping, ...llamaRowOrder(config, mapping) }));
  });
  return [...rename(outside), ...layers.flat()];
}

function llamaRowOrder(config: ModelConfig, { name, shape }: Mapping): { order?: RowOrder } {
  const isReordered = architectureFor(config).gguf.ordersPairs && /attn_[qk]\./.test(name);
  if (!isReordered || isMla(config)) return {};
  const { headDim } = config;
  return { order: interleave(shape[0] / headDim, headDim) };
}

/** Splits kv_b_proj [H (N + V), C] into attn_k_b [H, C, N] and attn_v_b [H, V, C]. */
function splitKvBValues(c: MlaConfig, kvB: Float32Array): { k: Float32Array; v: Float32Array } {
  const { numAttentionHeads: H, qkNopeHeadDim: N, vHeadDim: V, kvLoraRank: C } = c;
  const k = new Float32Array(H * C * N);
  const v = new Float32Array(H * V * C);
  for (let h = 0; h < H; h++) {
    const from = kvB.subarray(h * (N + V) * C);
    for (let n = 0; n < N; n++) for (let i = 0; i < C; i++) k[(h * C + i) * N + n] = from[n * C + i];
    v.set(from.subarray(N * C, (N + V) * C), h * V * C);
  }
  return { k, v };
}

function joinKvB(c: MlaConfig, k: Float32Array, v: Float32Array): Float32Array {
  const { numAttentionHeads: H, qkNopeHeadDim: N, vHeadDim: V, kvLoraRank: C } = c;
  const kvB = new Float32Array(H * (N + V) * C);
  for (let h = 0; h < H; h++) {
    const to = h * (N + V) * C;
    for (let n = 0; n < N; n++) for (let i = 0; i < C; i++) kvB[to + n * C + i] = k[(h * C + i) * N + n];
    kvB.set(v.subarray(h * V * C, (h + 1) * V * C), to + N * C);
  }
  return kvB;
}

function storedType(name: string, shape: readonly number[], type: WritableType): WritableType {
  if (shape.length === 1 || name.includes('ffn_gate_inp')) return 'F32';
  return (shape.at(-1) as number) % ggmlTypes[type].block === 0 ? type : 'F16';
}

/** Lists Llama 3's factors of frequencies, which have no keys. */
function ropeTensors({ headDim, ropeTheta, ropeScaling }: GqaConfig): GgufTensor[] {
  if (ropeScaling?.type !== 'llama3') return [];
  const factors = frequencyFactors(headDim, ropeTheta, ropeScaling);
  return [{ name: ropeFreqs, type: 'F32', shape: [factors.length], parts: [async () => factors] }];
}

/** Returns the tensors of a GGUF file from values under checkpoint names. */
export function ggufTensors(config: ModelConfig, values: readonly TensorValues[], type: WritableType): GgufTensor[] {
  const byName = new Map(values.map((value) => [value.name, value]));
  const read = (name: string) => (byName.get(name) as TensorValues).read();
  const plain = listMappings(config).map(({ name, shape, from, order }): GgufTensor => {
    const parts = from.map((source) => async () => (order ? order.toFile(await read(source)) : read(source)));
    return { name, type: storedType(name, shape, type), shape, parts };
  });
  if (!isMla(config)) return [...plain, ...ropeTensors(config)];
  const { numAttentionHeads: H, qkNopeHeadDim: N, vHeadDim: V, kvLoraRank: C } = config;
  const split = Array.from({ length: countBlocks(config) }, (_, i): GgufTensor[] => {
    const both = sharedByTwo(async () =>
      splitKvBValues(config, await read(`model.layers.${i}.self_attn.kv_b_proj.weight`)),
    );
    const [k, v] = [`blk.${i}.attn_k_b.weight`, `blk.${i}.attn_v_b.weight`];
    return [
      { name: k, type: storedType(k, [H, C, N], type), shape: [H, C, N], parts: [async () => (await both()).k] },
      { name: v, type: storedType(v, [H, V, C], type), shape: [H, V, C], parts: [async () => (await both()).v] },
    ];
  });
  return [...plain, ...split.flat()];
}

/** A tensor under its checkpoint name: as it is stored, or F32 where it is made of two. */
interface StoredTensor {
  readonly entry: TensorEntry;
  readonly read: (range: ElementRange) => Promise<Uint8Array>;
}

export interface GgufModel {
  readonly config: ModelConfig;
  readonly source: TensorSource;
  readonly metadata: GgufHeader['metadata'];
}

/** Opens a GGUF file under checkpoint names, with its configuration. */
export async function openGgufModel(path: string): Promise<GgufModel> {
  const file = await openGguf(path);
  try {
    const factors = await readFactors(file);
    const config = readGgufConfig(file.metadata, new Set(file.entries.keys()), path, factors);
    const stored = storedTensors(config, file, path);
    expectNoOthers(config, file, path);
    const entries = new Map([...stored].map(([name, { entry }]) => [name, entry]));
    const source: TensorSource = {
      entries,
      read: (name, range) => {
        const { entry, read } = findEntry(stored, name, path);
        return read(resolveRange(entry, range));
      },
      close: () => file.close(),
    };
    return { config, source, metadata: file.metadata };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Reads rope_freqs.weight, null where there is none. */
async function readFactors(file: TensorSource): Promise<Float32Array | null> {
  const entry = file.entries.get(ropeFreqs);
  if (!entry) return null;
  const length = Math.min(countElements(entry.shape), maxRopePairs);
  return decode(entry, await file.read(ropeFreqs, { offset: 0, length }));
}

/** Tensors that change nothing: angles from the configuration, and what multi-token prediction shares or lacks. */
function isNeutral(config: ModelConfig, name: string, { entries }: TensorSource): boolean {
  if (name === ropeFreqs) return !isMla(config); // readGgufConfig has read it
  if (/^blk\.\d+\.attn_rot_embd\.weight$/.test(name)) return true;
  const block = Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1);
  const isModule = block >= config.numHiddenLayers && entries.has(`blk.${block}.nextn.eh_proj.weight`);
  if (!isMla(config) || !isModule) return false;
  return block >= countBlocks(config) || /\.nextn\.(embed_tokens|shared_head_head)\.weight$/.test(name);
}

/** Throws CheckpointError for a tensor that the model does not use and that may change the result. */
function expectNoOthers(config: ModelConfig, file: TensorSource, path: string): void {
  const halves = Array.from({ length: countBlocks(config) }, (_, i) => [
    `blk.${i}.attn_k_b.weight`,
    `blk.${i}.attn_v_b.weight`,
  ]);
  const mapped = listMappings(config, new Set(file.entries.keys())).map(({ name }) => name);
  const used = new Set([...mapped, ...(isMla(config) ? halves.flat() : [])]);
  const others = [...file.entries.keys()].filter((name) => !used.has(name) && !isNeutral(config, name, file));
  if (others.length === 0) return;
  const more = others.length > 1 ? ` (and ${others.length - 1} others)` : '';
  throw new CheckpointError(
    path,
    `${others[0]}${more}: no part of this ${config.modelType}, and it may change the result`,
    'use another model, or its safetensors',
  );
}

/** Reads a range of a tensor whose rows come in another order. */
function reordered({ type }: TensorEntry, order: RowOrder, readAll: () => Promise<Uint8Array>): StoredTensor['read'] {
  const bytes = (elements: number) => ggmlBytes(type as GgmlType, elements);
  return async ({ offset, length }) =>
    order.fromFile(await readAll()).subarray(bytes(offset), bytes(offset) + bytes(length));
}

/** Maps checkpoint names to the file's tensors. Throws CheckpointError unless all are there in their shapes. */
function storedTensors(config: ModelConfig, file: TensorSource, path: string): Map<string, StoredTensor> {
  const expect = (name: string, shape: readonly number[]): TensorEntry => {
    const entry = file.entries.get(name);
    if (entry && entry.shape.join() === shape.join()) return entry;
    const received = entry ? `received [${entry.shape}]` : 'received nothing';
    throw new CheckpointError(
      path,
      `${name}: expected [${shape}], ${received}`,
      'convert the model again with a current program',
    );
  };
  const shapes = new Map(
    listParameters(config)
      .flatMap((parameter) => listPieces(parameter))
      .map(({ name, shape }) => [name, shape]),
  );
  const stored = new Map<string, StoredTensor>();
  const add = (name: string, type: StoredType, read: StoredTensor['read']) => {
    stored.set(name, { entry: { name, shape: shapes.get(name) as readonly number[], type, file: path }, read });
  };
  const addValues = (name: string, values: () => Promise<Float32Array>) => {
    add(name, 'F32', async ({ offset, length }) => {
      const all = await values();
      return new Uint8Array(all.buffer, all.byteOffset + 4 * offset, 4 * length);
    });
  };
  for (const { name, shape, from, order } of listMappings(config, new Set(file.entries.keys()))) {
    const entry = expect(name, shape);
    const length = countElements(shape) / from.length;
    from.forEach((target, i) => {
      const read: StoredTensor['read'] = (range) => file.read(name, { ...range, offset: i * length + range.offset });
      if (order)
        add(
          target,
          entry.type,
          reordered(entry, order, () => file.read(name)),
        );
      else add(target, entry.type, read);
    });
  }
  if (!isMla(config)) return stored;
  const { numAttentionHeads: H, qkNopeHeadDim: N, vHeadDim: V, kvLoraRank: C } = config;
  for (let i = 0; i < countBlocks(config); i++) {
    if (file.entries.has(`blk.${i}.${combinedKvB}`)) continue;
    const k = expect(`blk.${i}.attn_k_b.weight`, [H, C, N]);
    const v = expect(`blk.${i}.attn_v_b.weight`, [H, V, C]);
    addValues(`model.layers.${i}.self_attn.kv_b_proj.weight`, async () =>
      joinKvB(config, decode(k, await file.read(k.name)), decode(v, await file.read(v.name))),
    );
  }
  return stored;
}

// A model's tensors as GGUF stores them, and back: llama.cpp's names, experts stacked, MLA's kv_b_proj in two halves.
//
// One table for both directions: each GGUF tensor is made of checkpoint tensors (Hugging Face names), perhaps
// reordered: queries and keys of some families are stored with the halves of each head interleaved, because llama.cpp
// rotates neighbors there; deepseek2 rotates neighbors by itself, the others rotate halves. attn_k_b [H, C, N] is W_UK
// transposed, attn_v_b [H, V, C] is W_UV. Types: gguf-mixes.ts. MTP modules follow as further blocks with llama.cpp's
// names (nextn); llama.cpp's deepseek2 has none and refuses files with unknown tensors, so write a file for it from a
// configuration without modules.
import { architectureFor, describeBlocks, type Experts } from '../architecture/index.ts';
import { type GqaConfig, isMla, type MlaConfig, type ModelConfig } from '../config.ts';
import { countElements, hasExperts, listParameters } from '../parameters.ts';
import { CheckpointError } from './errors.ts';
import { sharedByTwo, type TensorValues } from './export.ts';
import { type GgmlType, ggmlBytes } from './ggml-blocks.ts';
import { type GgufFile, type GgufHeader, openGguf } from './gguf.ts';
import { readGgufConfig } from './gguf-config.ts';
import { type GgufFormat, typeToWrite } from './gguf-mixes.ts';
import { type RopeTensorValues, ropeFreqs, ropeTensorNames, ropeValues } from './gguf-rope.ts';
import type { GgufTensor } from './gguf-writer.ts';
import { listJoinedParts } from './model-names.ts';
import { listPieces } from './pieces.ts';
import {
  decode,
  type ElementRange,
  type FilePlace,
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

/** The factors of frequencies that are read: more than any head has pairs. */
const maxRopePairs = 2 ** 12;

const outside: readonly NamePair[] = [
  ['token_embd.weight', 'model.embed_tokens.weight'],
  ['output_norm.weight', 'model.norm.weight'],
  ['output.weight', 'lm_head.weight'],
];

type NamePair = readonly [gguf: string, huggingFace: string];

/** llama.cpp's names in a layer by Hugging Face's; a family declares those that differ. */
const everywhere: Readonly<Record<string, string>> = {
  'input_layernorm.weight': 'attn_norm.weight',
  'post_attention_layernorm.weight': 'ffn_norm.weight',
  'self_attn.o_proj.weight': 'attn_output.weight',
  'self_attn.o_proj.bias': 'attn_output.bias',
  'mlp.gate_proj.weight': 'ffn_gate.weight',
  'mlp.up_proj.weight': 'ffn_up.weight',
  'mlp.down_proj.weight': 'ffn_down.weight',
  'mlp.gate.weight': 'ffn_gate_inp.weight',
  'mlp.gate.e_score_correction_bias': 'exp_probs_b.bias',
  'mlp.shared_experts.gate_proj.weight': 'ffn_gate_shexp.weight',
  'mlp.shared_experts.up_proj.weight': 'ffn_up_shexp.weight',
  'mlp.shared_experts.down_proj.weight': 'ffn_down_shexp.weight',
  'enorm.weight': 'nextn.enorm.weight',
  'hnorm.weight': 'nextn.hnorm.weight',
  'eh_proj.weight': 'nextn.eh_proj.weight',
  'shared_head.norm.weight': 'nextn.shared_head_norm.weight',
};

const mla: Readonly<Record<string, string>> = {
  'self_attn.q_proj.weight': 'attn_q.weight',
  'self_attn.q_a_proj.weight': 'attn_q_a.weight',
  'self_attn.q_a_layernorm.weight': 'attn_q_a_norm.weight',
  'self_attn.q_b_proj.weight': 'attn_q_b.weight',
  'self_attn.kv_a_proj_with_mqa.weight': 'attn_kv_a_mqa.weight',
  'self_attn.kv_a_layernorm.weight': 'attn_kv_a_norm.weight',
};

const gqa: Readonly<Record<string, string>> = Object.fromEntries(
  (['q', 'k', 'v'] as const).flatMap((which) =>
    (['weight', 'bias'] as const).map((part) => [`self_attn.${which}_proj.${part}`, `attn_${which}.${part}`]),
  ),
);

/** What attn_k_b and attn_v_b were before llama.cpp split them. */
const [combinedKvB, ownKvB] = ['attn_kv_b.weight', 'self_attn.kv_b_proj.weight'] as const;

function expertMappings({ hiddenSize: D }: ModelConfig, { routed: E, width: F }: Experts, i: number): Mapping[] {
  return (['gate', 'up', 'down'] as const).map((which) => ({
    name: `blk.${i}.ffn_${which}_exps.weight`,
    shape: which === 'down' ? [E, D, F] : [E, F, D],
    from: Array.from({ length: E }, (_, e) => `model.layers.${i}.mlp.experts.${e}.${which}_proj.weight`),
  }));
}

/** Counts main layers and MTP modules. */
const countBlocks = (config: ModelConfig) => config.numHiddenLayers + describeBlocks(config).mtpModules;

/** Lists the tensors of a file. `names`: what an existing one has. */
export function listMappings(config: ModelConfig, names: ReadonlySet<string> | null = null): Mapping[] {
  const shapes = new Map(listParameters(config).map(({ name, shape }) => [name, shape]));
  const joined = listJoinedParts(config);
  for (const { parameter, whole, shape } of joined) {
    shapes.delete(parameter.name);
    shapes.set(whole, shape);
  }
  const listParts = (whole: string) => joined.filter((part) => part.whole === whole).map((part) => part.parameter.name);
  const rename = (pairs: readonly NamePair[], gguf = '', huggingFace = '') =>
    pairs.flatMap(([name, own]): Mapping[] => {
      const from = huggingFace + own;
      const shape = shapes.get(from);
      const parts = listParts(from);
      return shape ? [{ name: gguf + name, shape, from: parts.length > 0 ? parts : [from] }] : [];
    });
  const { experts } = describeBlocks(config);
  const pairs = listPairs(config);
  const layers = Array.from({ length: countBlocks(config) }, (_, i): Mapping[] => {
    const combined = names?.has(`blk.${i}.${combinedKvB}`) ? [[combinedKvB, ownKvB] as const] : [];
    return [
      ...rename([...pairs, ...combined], `blk.${i}.`, `model.layers.${i}.`),
      ...(experts && hasExperts(config, i) ? expertMappings(config, experts, i) : []),
    ].map((mapping) => ({ ...mapping, ...rowOrder(config, mapping) }));
  });
  return [...rename(outside), ...layers.flat()];
}

/** Lists the names in a layer; the family's own come last. */
function listPairs(config: ModelConfig): NamePair[] {
  const { tensors = {} } = architectureFor(config).gguf;
  const all = { ...everywhere, ...(isMla(config) ? mla : gqa), ...tensors };
  return Object.entries(all).map(([own, name]) => [name, own]);
}

function rowOrder(config: ModelConfig, { name, shape }: Mapping): { order?: RowOrder } {
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

/** Lists the factors of frequencies, which have no keys. */
function ropeTensors(config: GqaConfig): GgufTensor[] {
  return [...ropeValues(config)].map(([name, values]) => {
    return { name, type: 'F32', shape: [values.length], parts: [async () => values] };
  });
}

/** Returns the tensors of a GGUF file from values under checkpoint names. */
export function ggufTensors(config: ModelConfig, values: readonly TensorValues[], format: GgufFormat): GgufTensor[] {
  const byName = new Map(values.map((value) => [value.name, value]));
  const read = (name: string) => (byName.get(name) as TensorValues).read();
  const plain = listMappings(config).map(({ name, shape, from, order }): GgufTensor => {
    const parts = from.map((source) => async () => (order ? order.toFile(await read(source)) : read(source)));
    return { name, type: typeToWrite(config, name, shape, format), shape, parts };
  });
  if (!isMla(config)) return [...plain, ...ropeTensors(config)];
  const { numAttentionHeads: H, qkNopeHeadDim: N, vHeadDim: V, kvLoraRank: C } = config;
  const split = Array.from({ length: countBlocks(config) }, (_, i): GgufTensor[] => {
    const both = sharedByTwo(async () =>
      splitKvBValues(config, await read(`model.layers.${i}.self_attn.kv_b_proj.weight`)),
    );
    const [k, v] = [`blk.${i}.attn_k_b.weight`, `blk.${i}.attn_v_b.weight`];
    return [
      {
        name: k,
        type: typeToWrite(config, k, [H, C, N], format),
        shape: [H, C, N],
        parts: [async () => (await both()).k],
      },
      {
        name: v,
        type: typeToWrite(config, v, [H, V, C], format),
        shape: [H, V, C],
        parts: [async () => (await both()).v],
      },
    ];
  });
  return [...plain, ...split.flat()];
}

/** A tensor under its checkpoint name: as it is stored, or F32 where it is made of two. */
interface StoredTensor {
  readonly entry: TensorEntry;
  readonly read: (range: ElementRange) => Promise<Uint8Array>;
  readonly place: FilePlace | null;
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
    const contents = { names: new Set(file.entries.keys()), factors: await readFactors(file) };
    const config = readGgufConfig(file.metadata, contents, path);
    const stored = storedTensors(config, file, path);
    expectNoOthers(config, file, path);
    const entries = new Map([...stored].map(([name, { entry }]) => [name, entry]));
    const source: TensorSource = {
      entries,
      read: (name, range) => {
        const { entry, read } = findEntry(stored, name, path);
        return read(resolveRange(entry, range));
      },
      locate: (name) => findEntry(stored, name, path).place,
      close: () => file.close(),
    };
    return { config, source, metadata: file.metadata };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Reads the factors of frequencies. */
async function readFactors(file: TensorSource): Promise<RopeTensorValues> {
  const factors = new Map<string, Float32Array>();
  for (const name of ropeTensorNames) {
    const entry = file.entries.get(name);
    if (!entry) continue;
    const length = Math.min(countElements(entry.shape), maxRopePairs);
    factors.set(name, decode(entry, await file.read(name, { offset: 0, length })));
  }
  return factors;
}

/** Tensors that change nothing: angles from the configuration, and what multi-token prediction shares or lacks. */
function isNeutral(config: ModelConfig, name: string, { entries }: TensorSource): boolean {
  if (name === ropeFreqs) return !isMla(config); // readGgufConfig has read it
  if (ropeTensorNames.includes(name)) return config.ropeScaling?.type === 'longrope';
  if (/^blk\.\d+\.attn_rot_embd\.weight$/.test(name)) return true;
  const block = Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1);
  const isModule = block >= config.numHiddenLayers && entries.has(`blk.${block}.nextn.eh_proj.weight`);
  if (!('numNextnPredictLayers' in config) || !isModule) return false;
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
function storedTensors(config: ModelConfig, file: GgufFile, path: string): Map<string, StoredTensor> {
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
  const add = (name: string, type: StoredType, read: StoredTensor['read'], place: FilePlace | null = null) => {
    stored.set(name, { entry: { name, shape: shapes.get(name) as readonly number[], type, file: path }, read, place });
  };
  const addValues = (name: string, values: () => Promise<Float32Array>) => {
    add(name, 'F32', async ({ offset, length }) => {
      const all = await values();
      return new Uint8Array(all.buffer, all.byteOffset + 4 * offset, 4 * length);
    });
  };
  for (const { name, shape, from, order } of listMappings(config, new Set(file.entries.keys()))) {
    const entry = expect(name, shape);
    let start = 0;
    for (const target of from) {
      const at = start;
      const length = countElements(shapes.get(target) as readonly number[]);
      const read: StoredTensor['read'] = (range) => file.read(name, { ...range, offset: at + range.offset });
      if (order)
        add(
          target,
          entry.type,
          reordered(entry, order, () => file.read(name)),
        );
      else add(target, entry.type, read, file.locate(name, { offset: at, length }));
      start += length;
    }
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

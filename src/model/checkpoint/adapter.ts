// Adapters of PEFT, merged into their base model when a matrix is read: W + factor B A (LoRA, Hu et al. 2021).
//
// A folder with adapter_config.json and adapter_model.safetensors names the folder of its base. What is more than LoRA
// (DoRA, whole modules, biases, other ranks for some modules with no matrices of theirs) is refused by name. Source:
// peft's config.py and lora/layer.py. Left out: adapters of embeddings.
import { existsSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { toBf16, toF16 } from '../../kernels/index.ts';
import { showValue } from '../errors.ts';
import { CheckpointError } from './errors.ts';
import { readJson } from './json.ts';
import { openSafetensors } from './safetensors.ts';
import { decode, resolveRange, type TensorEntry, type TensorSource } from './source.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface Adapter {
  readonly folder: string;
  /** The folder of the base model. */
  readonly base: string;
  readonly fields: Fields;
}

const configFile = 'adapter_config.json';
const weightsFile = 'adapter_model.safetensors';

const isFolder = (path: string) => existsSync(path) && statSync(path).isDirectory();
const isEmpty = (value: unknown) =>
  value === null || value === undefined || (typeof value === 'object' && Object.keys(value).length === 0);

/** Fields that would change what is merged, with the values that do not. */
const rules: readonly [field: string, accepts: (value: unknown) => boolean, expected: string][] = [
  ['peft_type', (value) => value === 'LORA', '"LORA"'],
  ['use_dora', (value) => !value, 'false'],
  ['bias', (value) => value === undefined || value === 'none', '"none"'],
  ['modules_to_save', isEmpty, 'none'],
  ['fan_in_fan_out', (value) => !value, 'false'],
  ['trainable_token_indices', isEmpty, 'none'],
  ['layer_replication', isEmpty, 'none'],
  ['lora_bias', (value) => !value, 'false'],
  ['megatron_config', isEmpty, 'none'],
];

/** Finds the adapter of a folder and its base; null where it holds none. Throws CheckpointError. */
export function findAdapter(folder: string): Adapter | null {
  const file = join(folder, configFile);
  if (!existsSync(file)) return null;
  const json = readJson(file);
  const fields = (typeof json === 'object' && json !== null ? json : {}) as Fields;
  for (const [field, accepts, expected] of rules)
    if (!accepts(fields[field]))
      throw new CheckpointError(
        file,
        `${field}: expected ${expected}, received ${showValue(fields[field])}`,
        'merge the adapter into its base with peft, and open the result',
      );
  const { base_model_name_or_path: name } = fields;
  const places = typeof name !== 'string' ? [] : isAbsolute(name) ? [name] : [name, join(folder, name)];
  const base = places.find((place) => isFolder(place) && !existsSync(join(place, configFile)));
  if (base !== undefined) return { folder, base, fields };
  throw new CheckpointError(
    file,
    `base_model_name_or_path: ${showValue(name)} is no folder of a model here`,
    'fetch the base model, and write the path of its folder there',
  );
}

/** The matrices A [r, K] and B [N, r] of a module, and what their product is multiplied by. */
interface LowRank {
  readonly a: TensorEntry;
  readonly b: TensorEntry;
  readonly factor: number;
}

const named = /^base_model\.model\.(.+)\.lora_(A|B)\.weight$/;

/** Returns the number that a pattern gives a module, or `otherwise`. */
function patternValue(patterns: unknown, module: string, otherwise: unknown): unknown {
  if (isEmpty(patterns)) return otherwise;
  const found = Object.entries(patterns as Fields).find(([name]) => module === name || module.endsWith(`.${name}`));
  return found ? found[1] : otherwise;
}

function computeFactor({ folder, fields }: Adapter, module: string, rank: number): number {
  const alpha = patternValue(fields.alpha_pattern, module, fields.lora_alpha);
  if (typeof alpha === 'number' && rank > 0) return alpha / (fields.use_rslora === true ? Math.sqrt(rank) : rank);
  throw new CheckpointError(
    join(folder, configFile),
    `lora_alpha: expected a number, received ${showValue(alpha)}`,
    'fetch the adapter again',
  );
}

function listLowRanks(adapter: Adapter, source: TensorSource, base: TensorSource): Map<string, LowRank> {
  const found = new Map<string, LowRank>();
  for (const { name, file } of source.entries.values()) {
    const module = named.exec(name)?.[1];
    const [a, b] = ['A', 'B'].map((which) => source.entries.get(`base_model.model.${module}.lora_${which}.weight`));
    const target = base.entries.get(`${module}.weight`);
    const [rank, K] = a?.shape ?? [];
    const fits = target?.shape.join() === [b?.shape[0], K].join() && b?.shape[1] === rank && a?.shape.length === 2;
    if (module === undefined || !a || !b || !target || !fits)
      throw new CheckpointError(
        file,
        `${name}: no low-rank pair that fits a matrix of ${dirname(target?.file ?? adapter.base)}`,
        'check base_model_name_or_path, or merge the adapter with peft',
      );
    found.set(target.name, { a, b, factor: computeFactor(adapter, module, rank as number) });
  }
  return found;
}

/** out += factor B A: out [N, K], A [r, K], B [N, r]. */
function addProduct(out: Float32Array, a: Float32Array, b: Float32Array, rank: number, factor: number): void {
  const K = a.length / rank;
  for (let n = 0; n < b.length / rank; n++)
    for (let i = 0; i < rank; i++) {
      const share = factor * b[n * rank + i];
      for (let k = 0; k < K; k++) out[n * K + k] += share * a[i * K + k];
    }
}

function encode(values: Float32Array, type: TensorEntry['type']): Uint8Array {
  if (type === 'F32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return new Uint8Array(Uint16Array.from(values, type === 'F16' ? toF16 : toBf16).buffer);
}

/** Returns the base's tensors with the adapter merged into them, in their own format. Closes both. */
export async function withAdapter(adapter: Adapter, base: TensorSource): Promise<TensorSource> {
  const source = await openSafetensors(join(adapter.folder, weightsFile));
  const close = async () => {
    await source.close();
    await base.close();
  };
  try {
    const pairs = listLowRanks(adapter, source, base);
    const entries = new Map<string, TensorEntry>(base.entries);
    for (const name of pairs.keys()) {
      const entry = base.entries.get(name) as TensorEntry;
      if (entry.type === 'F32' || entry.type === 'F16' || entry.type === 'BF16') continue;
      throw new CheckpointError(
        entry.file,
        `${name}: an adapter cannot be merged into ${entry.type}`,
        'name a base in BF16, F16 or F32',
      );
    }
    const read: TensorSource['read'] = async (name, range) => {
      const pair = pairs.get(name);
      if (!pair) return base.read(name, range);
      const entry = entries.get(name) as TensorEntry;
      const { offset, length } = resolveRange(entry, range);
      const merged = decode(entry, await base.read(name)).slice();
      const [a, b] = [decode(pair.a, await source.read(pair.a.name)), decode(pair.b, await source.read(pair.b.name))];
      addProduct(merged, a, b, pair.a.shape[0] as number, pair.factor);
      return encode(merged.subarray(offset, offset + length), entry.type);
    };
    return { entries, read, close };
  } catch (error) {
    await source.close();
    throw error;
  }
}

// Reading and writing GGUF's keys of one architecture by rows: a key, and the field of config.json that it means.
//
// A key of the architecture that is not read must have the value that changes nothing, else the file is refused.
import type { GgufKeyRow } from '../architecture/index.ts';
import { showValue } from '../errors.ts';
import { CheckpointError } from './errors.ts';
import type { GgufValue } from './gguf.ts';
import { decimal, unread } from './gguf-rope.ts';
import type { TypedValue } from './gguf-writer.ts';

export type GgufKeys = Readonly<Record<string, TypedValue>>;

export const u32 = (value: number): TypedValue => ({ type: 'u32', value });
export const f32 = (value: number): TypedValue => ({ type: 'f32', value });
export const text = (value: string | readonly string[]): TypedValue => ({ type: 'string', value });

/** Writes the fields of a config.json under their keys; what is null or absent is left out. */
export function toKeys(rows: readonly GgufKeyRow[], fields: Readonly<Record<string, unknown>>): GgufKeys {
  const present = rows.filter(([, field]) => fields[field] !== null && fields[field] !== undefined);
  return Object.fromEntries(present.map(([key, field, type]) => [key, { type, value: fields[field] as GgufValue }]));
}

export type KeyReader = ReturnType<typeof keyReader>;

/** Reads keys of one architecture, and remembers which. Throws CheckpointError for missing numbers. */
export function keyReader(metadata: ReadonlyMap<string, GgufValue>, architecture: string, file: string) {
  const asked = new Set<string>();
  const find = (key: string) => {
    asked.add(key);
    return metadata.get(`${architecture}.${key}`);
  };
  const refuse = (key: string, expected: string, remedy = 'convert the model again'): never => {
    const received = showValue(metadata.get(`${architecture}.${key}`));
    throw new CheckpointError(file, `${architecture}.${key}: expected ${expected}, received ${received}`, remedy);
  };
  const number = (key: string): number => {
    const value = find(key);
    return typeof value === 'number' ? value : refuse(key, 'a number');
  };
  /** Returns the fields of config.json that the keys mean. */
  const fields = (rows: readonly GgufKeyRow[]): Record<string, unknown> => {
    const read = ([key, field, type, otherwise]: GgufKeyRow) => {
      const value = otherwise === undefined ? number(key) : (find(key) ?? otherwise);
      return [field, type === 'f32' && typeof value === 'number' ? decimal(value) : value] as const;
    };
    return Object.fromEntries(rows.map(read));
  };
  /** Refuses a key unless it is absent or has the value that everything else is computed with. */
  const expect = (key: string, value: GgufValue) => {
    const given = find(key);
    if (given !== undefined && given !== value) refuse(key, showValue(value), unread);
  };
  return { find, number, fields, expect, refuse, asked };
}

/** Keys that are not read, with the values that change nothing. */
const neutral: Readonly<Record<string, readonly GgufValue[]>> = {
  tensor_data_layout: ['Meta AI original pth'],
  use_parallel_residual: [false],
  expert_count: [0],
  expert_used_count: [0],
  expert_shared_count: [0],
  leading_dense_block_count: [0],
  nextn_predict_layers: [0],
  pooling_type: [0],
  logit_scale: [0, 1],
  residual_scale: [0, 1],
  embedding_scale: [0, 1],
  attn_logit_softcapping: [0],
  final_logit_softcapping: [0],
  'attention.causal': [true],
  'attention.sliding_window': [0],
  'attention.clamp_kqv': [0],
  'attention.max_alibi_bias': [0],
  'attention.scale': [0],
  'rope.scaling.yarn_log_multiplier': [0],
};

/** Refuses the keys of the architecture that were not asked for, unless they change nothing. */
export function expectNeutral(metadata: ReadonlyMap<string, GgufValue>, architecture: string, keys: KeyReader): void {
  const prefix = `${architecture}.`;
  for (const [key, value] of metadata) {
    if (/^(adapter|clip)\./.test(key)) keys.refuse(key, 'no such key', 'a file of another kind: name the model itself');
    if (!key.startsWith(prefix)) continue;
    const own = key.slice(prefix.length);
    if (keys.asked.has(own) || neutral[own]?.includes(value)) continue;
    const expected = neutral[own]?.join(' or ') ?? 'no such key, because it may change the result';
    keys.refuse(own, expected, unread);
  }
}

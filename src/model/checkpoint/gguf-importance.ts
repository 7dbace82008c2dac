// How much an error counts in each column of a GGUF file's matrices: measured on a text (importance.ts), or read from
// an importance matrix of llama.cpp (llama-imatrix --output-format gguf), which holds sums of squares and counts.
import type { ModelConfig } from '../config.ts';
import type { InputSquares } from '../importance.ts';
import { countElements, listParameters } from '../parameters.ts';
import { CheckpointError } from './errors.ts';
import { openGguf } from './gguf.ts';
import { listMappings } from './gguf-model.ts';
import type { GgufTensor } from './gguf-writer.ts';
import { listPieces } from './pieces.ts';
import { decode } from './source.ts';

/** By the names of a file's tensors: [K], or [parts, K] of experts. */
type Importance = ReadonlyMap<string, Float32Array>;

export interface NamedImportance {
  /** What it was made of. */
  readonly file: string;
  readonly byTensor: Importance;
}

/** The least that a column counts, in means of its matrix: another text may use it. */
const minShare = 1e-4;

/** Returns importance that no column is without; alike where nothing was measured, as of an expert never chosen. */
function withLeast(values: Float32Array): Float32Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return mean > 0 ? values.map((value) => Math.max(value, minShare * mean)) : new Float32Array(values.length).fill(1);
}

/** Returns the squares of each tensor of a checkpoint. */
function listPieceSquares(config: ModelConfig, squares: InputSquares): Map<string, Float32Array> {
  return new Map(
    listParameters(config).flatMap((parameter) => {
      const own = squares.get(parameter.name);
      const width = parameter.shape.at(-1) as number;
      const pieces = own ? listPieces(parameter) : [];
      const experts = own ? own.length / width : 1;
      return pieces.map(({ name }, i) => {
        const expert = Math.floor((i * experts) / pieces.length);
        return [name, (own as Float32Array).subarray(expert * width, (expert + 1) * width)] as const;
      });
    }),
  );
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const [first] = parts as [Float32Array];
  const all = new Float32Array(parts.length * first.length);
  for (const [i, part] of parts.entries()) all.set(withLeast(part), i * first.length);
  return all;
}

/** Returns what was measured under the names of a file's tensors. Those without stay as they are. */
export function ggufImportance(config: ModelConfig, squares: InputSquares): Importance {
  const byPiece = listPieceSquares(config, squares);
  const mapped = listMappings(config).flatMap(({ name, from }) => {
    const parts = from.flatMap((piece) => byPiece.get(piece) ?? []);
    return parts.length === from.length ? [[name, joined(parts)] as const] : [];
  });
  const values = [...byPiece].flatMap(([piece, own]) => {
    const layer = /^model\.layers\.(\d+)\.self_attn\.kv_b_proj\.weight$/.exec(piece)?.[1];
    return layer === undefined ? [] : [[`blk.${layer}.attn_v_b.weight`, joined([own])] as const];
  });
  return new Map([...mapped, ...values]);
}

/** Reads an importance matrix. Throws CheckpointError for another kind of file. */
export async function readImportance(path: string): Promise<NamedImportance> {
  const file = await openGguf(path);
  try {
    const remedy = 'make one with llama-imatrix --output-format gguf, or name a file of plain text';
    if (file.metadata.get('general.type') !== 'imatrix')
      throw new CheckpointError(path, 'general.type is not "imatrix"', remedy);
    const importance = new Map<string, Float32Array>();
    for (const [name, { shape }] of file.entries) {
      if (!name.endsWith('.in_sum2')) continue;
      const tensor = name.slice(0, -'.in_sum2'.length);
      const [sums, counts] = [name, `${tensor}.counts`].map((each) => file.entries.get(each));
      const rows = shape.length > 1 ? countElements(shape.slice(0, -1)) : 1;
      if (!sums || !counts || countElements(counts.shape) !== rows)
        throw new CheckpointError(path, `${tensor}.counts: expected ${rows} numbers, one for each row of sums`, remedy);
      const [values, tokens] = [decode(sums, await file.read(name)), decode(counts, await file.read(counts.name))];
      const width = values.length / rows;
      const parts = Array.from({ length: rows }, (_, i) =>
        values.slice(i * width, (i + 1) * width).map((sum) => (tokens[i] > 0 ? sum / tokens[i] : 0)),
      );
      importance.set(tensor, joined(parts));
    }
    return { file: path, byTensor: importance };
  } finally {
    await file.close();
  }
}

/** Adds importance to tensors that are to be written. Throws CheckpointError where it is another model's. */
export function withImportance(tensors: readonly GgufTensor[], { file, byTensor }: NamedImportance): GgufTensor[] {
  const weighted = tensors.map((tensor): GgufTensor => {
    const own = byTensor.get(tensor.name);
    if (own === undefined) return tensor;
    const width = tensor.shape.at(-1) as number;
    if (own.length === width || own.length === width * tensor.parts.length) return { ...tensor, importance: own };
    const expected = tensor.parts.length > 1 ? `${tensor.parts.length} x ${width}` : `${width}`;
    throw new CheckpointError(
      file,
      `${tensor.name}: expected the importance of ${expected} columns, received ${own.length}`,
      'take one that was made with this model',
    );
  });
  if (weighted.some(({ importance }) => importance !== undefined)) return weighted;
  throw new CheckpointError(file, 'it has no tensor of this model', 'take one that was made with this model');
}

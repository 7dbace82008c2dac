// Matrices that other programs quantized, as plain ones in BF16: the codes are decoded when they are read.
//
// A module's matrix `x.weight` [N, K] is stored as several tensors. Each scheme says which of them tells that it is
// there, what shape it has, and what its values are. Contract: tensors of the scheme do not appear beside the matrices;
// those that are left are judged as in every checkpoint (expected-tensors.ts). Sources: compressed-tensors'
// compressors, AutoGPTQ's qlinear_torch.py, AutoAWQ's packing_utils.py.
import { toBf16 } from '../../kernels/index.ts';
import type { Quantization } from '../quantization-config.ts';
import { CheckpointError } from './errors.ts';
import { decode, resolveRange, type StoredType, type TensorEntry, type TensorSource } from './source.ts';

/** The tensors of one module, by what follows its name. */
class Module {
  readonly name: string;
  readonly #source: TensorSource;

  constructor(name: string, source: TensorSource) {
    this.name = name;
    this.#source = source;
  }

  find(suffix: string): TensorEntry | undefined {
    return this.#source.entries.get(this.name + suffix);
  }

  /** Finds a tensor of a type and shape. Throws CheckpointError where it is missing or another. */
  expect(suffix: string, types: readonly StoredType[], shape: readonly number[] | null = null): TensorEntry {
    const entry = this.find(suffix);
    const fits = entry && types.includes(entry.type) && (shape === null || shape.join() === entry.shape.join());
    if (fits) return entry;
    const file = (entry ?? this.#source.entries.values().next().value)?.file ?? 'checkpoint';
    const expected = `${types.join(' or ')} [${shape ?? '..'}]`;
    const received = entry ? `${entry.type} [${entry.shape}]` : 'nothing';
    throw new CheckpointError(
      file,
      `${this.name}${suffix}: expected ${expected}, received ${received}`,
      'check that quantization_config belongs to the weights, or use the unquantized checkpoint',
    );
  }

  async values(entry: TensorEntry): Promise<Float32Array> {
    return decode(entry, await this.#source.read(entry.name));
  }

  async words(entry: TensorEntry): Promise<Int32Array> {
    return new Int32Array((await this.#source.read(entry.name)).slice().buffer);
  }

  /** Signed bytes. */
  async bytes(entry: TensorEntry): Promise<Int8Array> {
    return new Int8Array((await this.#source.read(entry.name)).slice().buffer);
  }
}

/** A matrix [N, K] whose values can be computed. */
interface Matrix {
  readonly file: string;
  readonly shape: readonly [number, number];
  readonly values: () => Promise<Float32Array>;
}

const scaleTypes: readonly StoredType[] = ['F32', 'F16', 'BF16', 'F8_E8M0'];
const width = 128;

/** Returns how many rows or columns share a scale: all, one, whole groups, or blocks of 128. */
function span(module: Module, entry: TensorEntry, size: number, scales: number): number {
  if (scales > 0 && size % scales === 0) return size / scales;
  if (scales === Math.ceil(size / width)) return width;
  throw new CheckpointError(
    entry.file,
    `${entry.name}: ${scales} scales do not divide ${size} rows or columns of ${module.name}`,
    'fetch the checkpoint again',
  );
}

/** Multiplies codes [N, K] by the scale of their part of the matrix. */
async function applyScales(
  module: Module,
  codes: ArrayLike<number>,
  [N, K]: readonly [number, number],
  suffix: string,
): Promise<Float32Array> {
  const entry = module.expect(suffix, scaleTypes);
  const [rows, columns] = entry.shape.length === 2 ? (entry.shape as [number, number]) : [entry.shape[0] ?? 1, 1];
  const [perRow, perColumn] = [span(module, entry, N, rows), span(module, entry, K, columns)];
  const scales = await module.values(entry);
  const out = new Float32Array(N * K);
  for (let n = 0; n < N; n++)
    for (let k = 0; k < K; k++)
      out[n * K + k] = codes[n * K + k] * scales[Math.floor(n / perRow) * columns + Math.floor(k / perColumn)];
  return out;
}

/** Codes of 8 bits with scales of the tensor, of rows, of groups, or of blocks. */
function openScaled(module: Module): Matrix | null {
  const entry = module.find('.weight');
  if (entry?.type !== 'F8_E4M3' && entry?.type !== 'I8') return null;
  const [N, K] = module.expect('.weight', [entry.type]).shape as [number, number];
  const suffix = module.find('.weight_scale') ? '.weight_scale' : '.weight_scale_inv';
  const values = async () => {
    const codes = entry.type === 'I8' ? await module.bytes(entry) : await module.values(entry);
    return applyScales(module, codes, [N, K], suffix);
  };
  return { file: entry.file, shape: [N, K], values };
}

/** Unpacks the codes of words, the lowest bits first. */
function unpack(words: Int32Array, bits: number): Uint8Array {
  const each = 32 / bits;
  const mask = 2 ** bits - 1;
  const codes = new Uint8Array(words.length * each);
  for (let i = 0; i < codes.length; i++) codes[i] = (words[Math.floor(i / each)] >>> (bits * (i % each))) & mask;
  return codes;
}

/** compressed-tensors: words [N, K / each] along the columns, codes above their half, scales [N, groups]. */
function openPacked(module: Module, { bits }: Quantization): Matrix | null {
  const entry = module.find('.weight_packed');
  if (!entry) return null;
  const each = 32 / bits;
  const [N, columns] = module.expect('.weight_packed', ['I32']).shape as [number, number];
  const K = columns * each;
  const values = async () => {
    const half = 2 ** (bits - 1);
    const codes = Int8Array.from(unpack(await module.words(entry), bits), (code) => code - half);
    return applyScales(module, codes, [N, K], '.weight_scale');
  };
  return { file: entry.file, shape: [N, K], values };
}

/** Zero points and scales of groups of rows, [G, N] each, transposed matrices' columns being the outputs. */
interface Groups {
  readonly zeros: Uint8Array;
  readonly scales: Float32Array;
}

/** Computes [N, K] from codes [K, N] and the group of each of the K rows. */
function toOutputs(
  codes: ArrayLike<number>,
  { zeros, scales }: Groups,
  [N, K]: readonly [number, number],
  findGroup: (k: number) => number,
  zeroOffset: number,
): Float32Array {
  const out = new Float32Array(N * K);
  for (let k = 0; k < K; k++) {
    const group = findGroup(k) * N;
    for (let n = 0; n < N; n++) out[n * K + k] = (codes[k * N + n] - zeros[group + n] - zeroOffset) * scales[group + n];
  }
  return out;
}

/** GPTQ: words [K / each, N] along the rows, zero points [G, N / each], scales [G, N], the group of each row. */
function openGptq(module: Module, { bits, zeroOffset }: Quantization): Matrix | null {
  const entry = module.find('.qweight');
  if (!entry) return null;
  const each = 32 / bits;
  const [rows, N] = module.expect('.qweight', ['I32']).shape as [number, number];
  const K = rows * each;
  const values = async () => {
    const [G] = module.expect('.scales', scaleTypes).shape as [number];
    const scales = await module.values(module.expect('.scales', scaleTypes, [G, N]));
    const zeros = unpack(await module.words(module.expect('.qzeros', ['I32'], [G, N / each])), bits);
    const order = module.find('.g_idx') && (await module.words(module.expect('.g_idx', ['I32'], [K])));
    const size = span(module, entry, K, G);
    const group = (k: number) => Math.min(Math.max(order?.[k] ?? Math.floor(k / size), 0), G - 1);
    const words = await module.words(entry);
    const codes = new Uint8Array(K * N);
    const mask = 2 ** bits - 1;
    for (let k = 0; k < K; k++)
      for (let n = 0; n < N; n++)
        codes[k * N + n] = (words[Math.floor(k / each) * N + n] >>> (bits * (k % each))) & mask;
    return toOutputs(codes, { zeros, scales }, [N, K], group, zeroOffset);
  };
  return { file: entry.file, shape: [N, K], values };
}

/** The column, of eight, whose code stands in each place of a word. */
const awqOrder = [0, 2, 4, 6, 1, 3, 5, 7];

function inAwqOrder(words: Int32Array): Uint8Array {
  const codes = unpack(words, 4);
  return codes.map((_, i) => codes[i - (i % 8) + awqOrder.indexOf(i % 8)]);
}

/** AWQ: words [K, N / 8] along the columns, zero points [G, N / 8], scales [G, N]. */
function openAwq(module: Module): Matrix | null {
  const entry = module.find('.qweight');
  if (!entry) return null;
  const [K, columns] = module.expect('.qweight', ['I32']).shape as [number, number];
  const N = 8 * columns;
  const values = async () => {
    const [G] = module.expect('.scales', scaleTypes).shape as [number];
    const scales = await module.values(module.expect('.scales', scaleTypes, [G, N]));
    const zeros = inAwqOrder(await module.words(module.expect('.qzeros', ['I32'], [G, columns])));
    const size = span(module, entry, K, G);
    const codes = inAwqOrder(await module.words(entry));
    return toOutputs(codes, { zeros, scales }, [N, K], (k) => Math.floor(k / size), 0);
  };
  return { file: entry.file, shape: [N, K], values };
}

/** The scales of `blocks` stay: such matrices are served as they are stored. */
const schemes: Readonly<Record<Quantization['scheme'], (module: Module, given: Quantization) => Matrix | null>> = {
  blocks: () => null,
  scaled: openScaled,
  packed: openPacked,
  gptq: openGptq,
  awq: openAwq,
};

/** What a scheme stores beside the codes; scales and shifts of activations are among them, which stay as they are. */
const partSuffixes =
  /\.(qweight|qzeros|scales|g_idx|weight_packed|weight_scale|weight_scale_inv|weight_shape|input_scale)$/;

/** Returns the tensors of a source with the matrices of a quantization as plain ones. */
export function withPlainMatrices(quantization: Quantization, source: TensorSource): TensorSource {
  const open = schemes[quantization.scheme];
  const names = new Set([...source.entries.keys()].map((name) => name.replace(/\.[^.]+$/, '')));
  const matrices = new Map<string, Matrix>();
  for (const name of names) {
    const matrix = open(new Module(name, source), quantization);
    if (matrix) matrices.set(`${name}.weight`, matrix);
  }
  if (matrices.size === 0) return source;
  const isPart = (name: string) => partSuffixes.test(name) && matrices.has(name.replace(/\.[^.]+$/, '.weight'));
  const entries = new Map([...source.entries].filter(([name]) => !isPart(name)));
  for (const [name, { shape, file }] of matrices) entries.set(name, { name, type: 'BF16', shape, file });
  let last: { readonly name: string; readonly codes: Uint16Array } | null = null; // parts of one matrix follow another
  const read: TensorSource['read'] = async (name, range) => {
    const matrix = matrices.get(name);
    if (!matrix) return source.read(name, range);
    if (last?.name !== name) last = { name, codes: Uint16Array.from(await matrix.values(), toBf16) };
    const { offset, length } = resolveRange(entries.get(name) as TensorEntry, range);
    return new Uint8Array(last.codes.buffer, 2 * offset, 2 * length);
  };
  return { entries, read, close: () => source.close() };
}

// A weight for serving: [N, K] or experts [E, N, K], packed for the device's kernels: f32, bf16, fp8, or ggml's blocks.
//
// Contract: changed by repackWeight alone; linear and groupedLinear take it in place of a tensor, and the format is the
// arithmetic too. f32, bf16 and fp8 give the bits of the plain weight in that precision; int8 and int4 are groups of 32
// along K, ggml's Q8_0 and Q4_0, with activations quantized to int8 in the same groups. Blocks of ggml are packed as
// files have them; only those two are made here. Several weights with the same inputs (gate and up) join along N into
// one, which changes no bit. No gradients. Left out: unpacking.
import {
  type Buffer,
  blockPanelBytes,
  blockSize,
  type Device,
  DisposedError,
  dtypeCode,
  type GroupFormat,
  groupBlockBytes,
  groupSize,
  type PackedBlocks,
  panelBytes,
  ShapeError,
  tileSize,
  tilesIn,
  ValueError,
} from '../kernels/index.ts';
import { concat } from './ops/layout.ts';
import { type Quantized, quantizeWeight } from './ops/quantize.ts';
import { reshape } from './ops/view.ts';
import { Resource, scope } from './scope.ts';
import { elementCount, expectDType, expectFloat, expectSameDType, formatShape, lastDim, type Shape } from './shape.ts';
import { noGrad } from './tape.ts';
import { empty, type Tensor } from './tensor.ts';

/** Formats that any weight can be packed in. */
export type PackableFormat = 'f32' | 'bf16' | 'fp8' | GroupFormat;

export type PackedFormat = PackableFormat | PackedBlocks;

const packable: readonly string[] = ['f32', 'bf16', 'fp8', 'int8', 'int4'] satisfies PackableFormat[];

export const isPackable = (format: PackedFormat): format is PackableFormat => packable.includes(format);

export class PackedWeight extends Resource {
  readonly format: PackedFormat;
  /** [N, K] or [E, N, K]. */
  readonly shape: Shape;
  readonly panels: Buffer;
  /** f32 scales of fp8, one for each 128x128 block; null for other formats. */
  readonly scales: Buffer | null;
  #disposed = false;

  /** Takes over the buffers, whose bytes lie as `device.panelLayout` says. Use packWeight, packCodes or packBlocks. */
  constructor(format: PackedFormat, shape: Shape, panels: Buffer, scales: Buffer | null) {
    super();
    this.format = format;
    this.shape = shape;
    this.panels = panels;
    this.scales = scales;
  }

  get device(): Device {
    return this.panels.device;
  }

  /** Bytes of device memory. */
  get bytes(): number {
    return this.panels.bytes + (this.scales?.bytes ?? 0);
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  /** The panels, then the scales of fp8. */
  get buffers(): readonly Buffer[] {
    return this.scales === null ? [this.panels] : [this.panels, this.scales];
  }

  /** Frees the memory, in stream order. Disposing twice is no error. */
  override dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.panels.free();
    this.scales?.free();
  }

  /** Throws DisposedError in the name of `op` when the weight was freed. */
  use(op: string): void {
    if (this.#disposed)
      throw new DisposedError(op, `the weight ${this} was freed`, 'return it from its scope, or keep() it');
  }

  override toString(): string {
    return `${this.format} ${formatShape(this.shape)}`;
  }
}

/** Returns the experts, rows and columns of [N, K] or [E, N, K]. */
export function weightSizes(shape: Shape): readonly [groups: number, n: number, k: number] {
  return [shape.length === 3 ? shape[0] : 1, shape[shape.length - 2], lastDim(shape)];
}

/** Checks that the parts agree in all but N. Throws ShapeError or DTypeError. */
function checkParts(op: string, parts: readonly Tensor[]): void {
  const [first] = parts;
  if (first === undefined) throw new ValueError(op, 'expected at least one weight, received none', 'pass the weights');
  for (const part of parts) {
    part.use(op);
    const [groups, , k] = weightSizes(part.shape);
    const [expectedGroups, , expectedK] = weightSizes(first.shape);
    const rank = first.shape.length;
    if (part.shape.length !== rank || groups !== expectedGroups || k !== expectedK || rank < 2 || rank > 3)
      throw new ShapeError(
        op,
        'expected weights [N, K] or [E, N, K] that differ in N only, ' +
          `received ${parts.map((p) => formatShape(p.shape)).join(', ')}`,
        'join only weights that have the same inputs',
      );
    expectSameDType(first, part, op, 'the weights');
  }
}

/** Joins weights along the rows of each expert. */
function joined(parts: readonly Tensor[]): Tensor {
  const [first] = parts as [Tensor];
  if (parts.length === 1) return first;
  const [groups, , k] = weightSizes(first.shape);
  const rows = parts.reduce((sum, part) => sum + weightSizes(part.shape)[1], 0);
  const flat = concat(parts.map((part) => reshape(part, [groups, part.size / groups])));
  return reshape(flat, first.shape.length === 3 ? [groups, rows, k] : [rows, k]);
}

/** Packs rows of f32 or bf16, or e4m3 codes, into panels of the given format. */
function packPanels(w: Tensor, dtype: 'f32' | 'bf16' | 'e4m3'): Buffer {
  const { device } = w;
  const [groups, n, k] = weightSizes(w.shape);
  const panels = device.alloc(panelBytes(dtype, n, k, device.panelWidth, groups), 'packWeight');
  device.run('pack_panels', { b: w, panels, n, k, groups, b_type: dtypeCode[w.dtype], panel_type: dtypeCode[dtype] });
  return panels;
}

function packGroups(blocks: Tensor, format: PackedBlocks, shape: Shape): PackedWeight {
  const { device } = blocks;
  const [groups, n, k] = weightSizes(shape);
  const panels = device.alloc(blockPanelBytes(format, n, k, device.panelWidth, groups), 'packBlocks');
  device.run(`pack_panels_${format}`, { blocks, panels, n, k, groups });
  return new PackedWeight(format, shape, panels, null);
}

function quantizeGroups(w: Tensor, format: GroupFormat): PackedWeight {
  const { device } = w;
  const k = lastDim(w.shape);
  if (k % groupSize !== 0)
    throw new ShapeError(
      'packWeight',
      `${format} has groups of ${groupSize} along K, received a weight ${formatShape(w.shape)}`,
      'choose bf16 or fp8 for it',
    );
  const count = w.size / groupSize;
  const blocks = empty([count * groupBlockBytes[format]], 'u8', device, 'packWeight');
  device.run(`quantize_groups_${format}`, { x: w, blocks, x_type: dtypeCode[w.dtype], count });
  return packGroups(blocks, format, w.shape);
}

function quantized(w: Tensor): Quantized {
  const [groups, n, k] = weightSizes(w.shape);
  const codes = empty(w.shape, 'e4m3', w.device, 'packWeight');
  const scales = empty([...w.shape.slice(0, -2), tilesIn(n), tilesIn(k)], 'f32', w.device, 'packWeight');
  if (groups > 0) quantizeWeight(w.device, w, [codes, scales]);
  return { codes, scales };
}

/**
 * f32 or bf16 weights [N, K] or [E, N, K] packed in a format, which rounds or quantizes them; several join along N.
 * int8 and int4 need K in whole groups of 32; fp8 joins only after rows in whole blocks of 128.
 * @example const gateUp = packWeight([gate, up], 'int8'); const h = linear(x, gateUp);
 */
export function packWeight(w: Tensor | readonly Tensor[], format: PackableFormat): PackedWeight {
  const parts = [w].flat();
  checkParts('packWeight', parts);
  for (const part of parts) expectFloat(part, 'packWeight', 'w');
  return noGrad(() =>
    scope(() => {
      if (format === 'fp8') return packCodes(parts.map(quantized));
      const whole = joined(parts);
      if (format === 'int8' || format === 'int4') return quantizeGroups(whole, format);
      return new PackedWeight(format, whole.shape, packPanels(whole, format), null);
    }),
  );
}

/**
 * Packs the same weights again after they have changed, into the same memory, so that what is recorded reads the new
 * values. In queue order.
 */
export function repackWeight(packed: PackedWeight, w: Tensor | readonly Tensor[]): void {
  packed.use('repackWeight');
  const { format } = packed;
  if (!isPackable(format))
    throw new ValueError('repackWeight', `${packed} is as a file has it`, 'open the model in f32, bf16, int8 or int4');
  scope(() => {
    const fresh = packWeight(w, format);
    if (formatShape(fresh.shape) !== formatShape(packed.shape))
      throw new ShapeError(
        'repackWeight',
        `expected weights that join to ${packed}, received ${fresh}`,
        'pass the weights that it was packed from',
      );
    for (const [i, from] of fresh.buffers.entries())
      packed.device.run('copy_bytes', { from, to: packed.buffers[i], n: from.bytes });
  });
}

function checkScales(op: string, { codes, scales }: Quantized): void {
  const [, n, k] = weightSizes(codes.shape);
  const expected = [...codes.shape.slice(0, -2), tilesIn(n), tilesIn(k)];
  expectDType(scales, 'f32', op, 'scales');
  if (formatShape(scales.shape) !== formatShape(expected))
    throw new ShapeError(
      op,
      `codes ${formatShape(codes.shape)} need scales ${formatShape(expected)}, received ${formatShape(scales.shape)}`,
      `pass one scale for each ${tileSize}x${tileSize} block`,
    );
}

/** FP8 as DeepSeek stores it: e4m3 codes with an f32 scale for each 128x128 block. Several weights join along N. */
export function packCodes(w: Quantized | readonly Quantized[]): PackedWeight {
  const op = 'packCodes';
  const parts = [w].flat();
  const codes = parts.map((part) => part.codes);
  checkParts(op, codes);
  for (const [i, part] of parts.entries()) {
    expectDType(part.codes, 'e4m3', op, 'codes');
    checkScales(op, part);
    if (i < parts.length - 1 && weightSizes(part.codes.shape)[1] % tileSize !== 0)
      throw new ShapeError(
        op,
        `weight ${i} of ${parts.length} is ${formatShape(part.codes.shape)}: ` +
          `its last block of ${tileSize} rows is not full`,
        'put it last, or pack it alone',
      );
  }
  return noGrad(() =>
    scope(() => {
      const whole = joined(codes);
      const scales = joined(parts.map((part) => part.scales));
      const { device } = whole;
      const kept = device.alloc(4 * elementCount(scales.shape), op);
      device.run('copy_bytes', { from: scales, to: kept, n: scales.bytes });
      return new PackedWeight('fp8', whole.shape, packPanels(whole, 'e4m3'), kept);
    }),
  );
}

/**
 * ggml's blocks as they are stored: u8 [N, bytes of K / 32 or K / 256 blocks], or with experts in front. Nothing is
 * rounded. Several weights join along N.
 */
export function packBlocks(blocks: Tensor | readonly Tensor[], format: PackedBlocks): PackedWeight {
  const op = 'packBlocks';
  const parts = [blocks].flat();
  const { values, bytes } = blockSize(format);
  checkParts(op, parts);
  for (const part of parts) {
    expectDType(part, 'u8', op, 'blocks');
    if (lastDim(part.shape) % bytes !== 0)
      throw new ShapeError(
        op,
        `expected rows of whole blocks of ${bytes} bytes (${format}), received ${formatShape(part.shape)}`,
        `check the format and that K is a multiple of ${values}`,
      );
  }
  return noGrad(() =>
    scope(() => {
      const whole = joined(parts);
      const k = (lastDim(whole.shape) / bytes) * values;
      return packGroups(whole, format, [...whole.shape.slice(0, -1), k]);
    }),
  );
}

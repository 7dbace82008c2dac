// Weights packed once for serving: panels of output columns, as the kernels stream them.
//
// The format is the arithmetic: f32, bf16 and fp8 (DeepSeek's blocks of 128 x 128) give the bits of the plain products.
// Packing several weights that read the same input stacks them along their outputs, which changes no bit. No gradients.
import { codeOf, type Device, panelBytes, ShapeError, tilesIn } from '../kernels/index.ts';
import { quantiseWeight } from './ops/quantise.ts';
import { Resource, scope, unscoped } from './scope.ts';
import { expectFloat, formatShape, type Shape } from './shape.ts';
import { empty, type Tensor } from './tensor.ts';

export type PackedFormat = 'f32' | 'bf16' | 'fp8';

export type Weight = Tensor | PackedWeight;

export class PackedWeight extends Resource {
  readonly format: PackedFormat;
  /** [N, K], or [E, N, K] of experts. */
  readonly shape: Shape;
  /** u8, in the device's own order. */
  readonly panels: Tensor;
  /** Of fp8: f32 [ceil(N / 128), ceil(K / 128)], experts in front. */
  readonly scales: Tensor | null;

  /** For packWeight. */
  constructor(format: PackedFormat, shape: Shape, panels: Tensor, scales: Tensor | null) {
    super();
    this.format = format;
    this.shape = shape;
    this.panels = panels;
    this.scales = scales;
  }

  get device(): Device {
    return this.panels.device;
  }

  get bytes(): number {
    return this.panels.bytes + (this.scales?.bytes ?? 0);
  }

  override dispose(): void {
    this.panels.dispose();
    this.scales?.dispose();
  }
}

/** All rows of several [N, K], one after the other; the only one as it is. */
function stacked(parts: readonly Tensor[]): Tensor {
  const [first] = parts as [Tensor];
  for (const part of parts) expectFloat(part, 'packWeight', 'w');
  const K = first.shape.at(-1) as number;
  if (parts.length === 1) return first;
  if (parts.some(({ shape, dtype }) => shape.length !== 2 || shape[1] !== K || dtype !== first.dtype))
    throw new ShapeError(
      'packWeight',
      `expected matrices of the same inner width and format, received ${parts.map(({ shape }) => formatShape(shape)).join(', ')}`,
      'stack only what reads the same input',
    );
  const N = parts.reduce((sum, { shape }) => sum + (shape[0] as number), 0);
  const { device } = first;
  const all = empty([N, K], first.dtype, device);
  let at = all.address;
  for (const part of parts) {
    device.encode(device.kernel('copy_bytes'), part.address, at, part.bytes);
    at += part.bytes;
  }
  return all;
}

/** w [N, K] or [E, N, K], f32 or bf16, or several [N, K] stacked along N. The weights themselves stay the caller's. */
export function packWeight(w: Tensor | readonly Tensor[], format: PackedFormat): PackedWeight {
  return scope(() => {
    const rows = stacked(Array.isArray(w) ? w : [w as Tensor]);
    const { device, shape } = rows;
    const [N, K] = shape.slice(-2) as [number, number];
    const E = shape.length === 3 ? (shape[0] as number) : 1;
    const stored = format === 'fp8' ? 'e4m3' : format;
    const panels = unscoped(() => empty([panelBytes(stored, N, K, device.panelWidth, E)], 'u8', device));
    const pack = (from: Tensor) =>
      device.encode(
        device.kernel('pack_panels'),
        ...[from.address, panels.address, N, K, E, codeOf[from.dtype], codeOf[stored]],
      );
    if (format !== 'fp8') {
      pack(rows);
      return new PackedWeight(format, shape, panels, null);
    }
    const codes = empty(shape, 'e4m3', device);
    const scales = unscoped(() => empty([...shape.slice(0, -2), tilesIn(N), tilesIn(K)], 'f32', device));
    quantiseWeight(device, rows, [codes, scales]);
    pack(codes);
    return new PackedWeight(format, shape, panels, scales);
  });
}

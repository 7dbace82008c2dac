// FP8 (E4M3) with scales, as DeepSeek-V3 trains (report, section 3.3): activations in tiles of 1x128, weights in blocks
// of 128x128. Not differentiable: linear with precision fp8 is.
import { codeOf, type Device, tileSize, tilesIn, widthOf } from '../../kernels/index.ts';
import { apply, type Op, type Row, type Rows, saveNothing } from '../op.ts';
import { expectDType, expectFloat, expectRank, expectShape, lastOf, rowsOf, withLast } from '../shape.ts';
import type { Tensor } from '../tensor.ts';

interface Quantise extends Op {
  readonly inputs: readonly [x: Tensor];
  readonly params: { readonly powerOfTwo: boolean };
  readonly outputs: readonly [codes: Tensor, scales: Tensor];
}

interface Dequantise extends Op {
  readonly inputs: readonly [codes: Tensor, scales: Tensor];
  readonly params: 'f32' | 'bf16';
  readonly outputs: readonly [Tensor];
}

export interface QuantiseOps {
  quantiseTiles: Quantise;
  quantiseBlocks: Quantise;
  dequantiseTiles: Dequantise;
  dequantiseBlocks: Dequantise;
}

function quantiseRow<Name extends 'quantiseTiles' | 'quantiseBlocks'>(name: Name): Row<Name, Quantise> {
  const isTiles = name === 'quantiseTiles';
  return {
    name,
    shape: ([x]) => {
      expectFloat(x, name, 'x');
      if (!isTiles) expectRank(x, 2, name, 'x');
      const across = tilesIn(lastOf(x.shape));
      const scales = isTiles ? withLast(x.shape, across) : [tilesIn(x.shape[0]), across];
      return [
        { shape: x.shape, dtype: 'e4m3' },
        { shape: scales, dtype: 'f32' },
      ];
    },
    forward: (device, [x], [codes, scales], { powerOfTwo }) => {
      const [rows, cols] = [rowsOf(x.shape), lastOf(x.shape)];
      const given = { x, codes, scales, x_type: codeOf[x.dtype], power_of_two: powerOfTwo ? 1 : 0 };
      if (isTiles) device.run('quantise_tiles_e4m3', { ...given, rows, cols });
      else device.run('quantise_blocks_e4m3', { ...given, N: rows, K: cols });
    },
    save: saveNothing,
    vjp: null,
  };
}

function dequantiseRow<Name extends 'dequantiseTiles' | 'dequantiseBlocks'>(name: Name): Row<Name, Dequantise> {
  const isTiles = name === 'dequantiseTiles';
  return {
    name,
    shape: ([codes, scales], dtype) => {
      expectDType(codes, 'e4m3', name, 'codes');
      expectDType(scales, 'f32', name, 'scales');
      const across = tilesIn(lastOf(codes.shape));
      if (!isTiles) expectRank(codes, 2, name, 'codes');
      const expected = isTiles ? withLast(codes.shape, across) : [tilesIn(codes.shape[0]), across];
      expectShape(scales, expected, name, 'scales');
      return [{ shape: codes.shape, dtype }];
    },
    forward: (device, [codes, scales], [out]) => {
      const [rows, cols] = [rowsOf(codes.shape), lastOf(codes.shape)];
      const given = { codes, scales, out, out_type: codeOf[out.dtype] };
      if (isTiles) device.run('dequantise_tiles_e4m3', { ...given, rows, cols });
      else device.run('dequantise_blocks_e4m3', { ...given, N: rows, K: cols });
    },
    save: saveNothing,
    vjp: null,
  };
}

export const quantisers: Rows<QuantiseOps> = {
  quantiseTiles: quantiseRow('quantiseTiles'),
  quantiseBlocks: quantiseRow('quantiseBlocks'),
  dequantiseTiles: dequantiseRow('dequantiseTiles'),
  dequantiseBlocks: dequantiseRow('dequantiseBlocks'),
};

/** E4M3 codes and their f32 scales: value = code * scale. */
export interface Quantised {
  readonly codes: Tensor;
  readonly scales: Tensor;
}

export interface QuantiseOptions {
  /** Scales rounded up to powers of two (UE8M0, as V3.1). @default false */
  powerOfTwo?: boolean;
}

/** Queues the quantisation of each [N, K] of w in blocks of 128x128. For ops. */
export function quantiseWeight(device: Device, w: Tensor, [codes, scales]: readonly Tensor[]): void {
  const K = lastOf(w.shape);
  const N = w.shape[w.shape.length - 2];
  const groups = w.shape.length === 3 ? w.shape[0] : 1;
  // Experts whose rows fill their blocks are one tall matrix.
  const calls = N % tileSize === 0 ? 1 : groups;
  const rows = (N * groups) / calls;
  for (let g = 0; g < calls; g++) {
    const at = g * rows * K;
    device.run('quantise_blocks_e4m3', {
      x: w.address + at * widthOf[w.dtype],
      codes: codes.address + at,
      scales: scales.address + 4 * g * tilesIn(rows) * tilesIn(K),
      x_type: codeOf[w.dtype],
      N: rows,
      K,
      power_of_two: 0,
    });
  }
}

/** x [.., K] in tiles of 1x128: codes [.., K], scales [.., ceil(K / 128)]. */
export function quantiseTiles(x: Tensor, { powerOfTwo = false }: QuantiseOptions = {}): Quantised {
  const [codes, scales] = apply(quantisers.quantiseTiles, [x], { powerOfTwo });
  return { codes, scales };
}

/** w [N, K] in blocks of 128x128: codes [N, K], scales [ceil(N / 128), ceil(K / 128)]. */
export function quantiseBlocks(w: Tensor, { powerOfTwo = false }: QuantiseOptions = {}): Quantised {
  const [codes, scales] = apply(quantisers.quantiseBlocks, [w], { powerOfTwo });
  return { codes, scales };
}

/** code * scale of quantiseTiles, rounded once. */
export function dequantiseTiles({ codes, scales }: Quantised, dtype: 'f32' | 'bf16' = 'f32'): Tensor {
  return apply(quantisers.dequantiseTiles, [codes, scales], dtype)[0];
}

/** code * scale of quantiseBlocks, rounded once. */
export function dequantiseBlocks({ codes, scales }: Quantised, dtype: 'f32' | 'bf16' = 'f32'): Tensor {
  return apply(quantisers.dequantiseBlocks, [codes, scales], dtype)[0];
}

// FP8 (E4M3) with scales, as DeepSeek-V3 trains (report, section 3.3): activations in tiles of 1x128, weights in blocks
// of 128x128. Not differentiable: linear with precision fp8 is.
import { type Device, dtypeBytes, dtypeCode, tileSize, tilesIn } from '../../kernels/index.ts';
import { apply, type Op, type OpRow, type OpRows, saveNothing } from '../op.ts';
import { expectDType, expectFloat, expectRank, expectShape, lastDim, rowCount, withLast } from '../shape.ts';
import type { Tensor } from '../tensor.ts';

type Quantize = Op<readonly [x: Tensor], { readonly powerOfTwo: boolean }, readonly [codes: Tensor, scales: Tensor]>;

type Dequantize = Op<readonly [codes: Tensor, scales: Tensor], 'f32' | 'bf16', readonly [Tensor]>;

export interface QuantizeOps {
  quantizeTiles: Quantize;
  quantizeBlocks: Quantize;
  dequantizeTiles: Dequantize;
  dequantizeBlocks: Dequantize;
}

function quantizeRow<Name extends 'quantizeTiles' | 'quantizeBlocks'>(name: Name): OpRow<Name, Quantize> {
  const isTiles = name === 'quantizeTiles';
  return {
    name,
    shape: ([x]) => {
      expectFloat(x, name, 'x');
      if (!isTiles) expectRank(x, 2, name, 'x');
      const across = tilesIn(lastDim(x.shape));
      const scales = isTiles ? withLast(x.shape, across) : [tilesIn(x.shape[0]), across];
      return [
        { shape: x.shape, dtype: 'e4m3' },
        { shape: scales, dtype: 'f32' },
      ];
    },
    forward: (device, [x], [codes, scales], { powerOfTwo }) => {
      const [rows, cols] = [rowCount(x.shape), lastDim(x.shape)];
      const given = { x, codes, scales, x_type: dtypeCode[x.dtype], power_of_two: powerOfTwo ? 1 : 0 };
      if (isTiles) device.run('quantize_tiles_e4m3', { ...given, rows, cols });
      else device.run('quantize_blocks_e4m3', { ...given, N: rows, K: cols });
    },
    save: saveNothing,
    vjp: null,
  };
}

function dequantizeRow<Name extends 'dequantizeTiles' | 'dequantizeBlocks'>(name: Name): OpRow<Name, Dequantize> {
  const isTiles = name === 'dequantizeTiles';
  return {
    name,
    shape: ([codes, scales], dtype) => {
      expectDType(codes, 'e4m3', name, 'codes');
      expectDType(scales, 'f32', name, 'scales');
      const across = tilesIn(lastDim(codes.shape));
      if (!isTiles) expectRank(codes, 2, name, 'codes');
      const expected = isTiles ? withLast(codes.shape, across) : [tilesIn(codes.shape[0]), across];
      expectShape(scales, expected, name, 'scales');
      return [{ shape: codes.shape, dtype }];
    },
    forward: (device, [codes, scales], [out]) => {
      const [rows, cols] = [rowCount(codes.shape), lastDim(codes.shape)];
      const given = { codes, scales, out, out_type: dtypeCode[out.dtype] };
      if (isTiles) device.run('dequantize_tiles_e4m3', { ...given, rows, cols });
      else device.run('dequantize_blocks_e4m3', { ...given, N: rows, K: cols });
    },
    save: saveNothing,
    vjp: null,
  };
}

export const quantizers: OpRows<QuantizeOps> = {
  quantizeTiles: quantizeRow('quantizeTiles'),
  quantizeBlocks: quantizeRow('quantizeBlocks'),
  dequantizeTiles: dequantizeRow('dequantizeTiles'),
  dequantizeBlocks: dequantizeRow('dequantizeBlocks'),
};

/** E4M3 codes and their f32 scales: value = code * scale. */
export interface Quantized {
  readonly codes: Tensor;
  readonly scales: Tensor;
}

export interface QuantizeOptions {
  /** Scales rounded up to powers of two (UE8M0, as V3.1). @default false */
  powerOfTwo?: boolean;
}

/** Queues the quantization of each [N, K] of w in blocks of 128x128. For ops. */
export function quantizeWeight(device: Device, w: Tensor, [codes, scales]: readonly Tensor[]): void {
  const K = lastDim(w.shape);
  const N = w.shape[w.shape.length - 2];
  const groups = w.shape.length === 3 ? w.shape[0] : 1;
  // Experts whose rows fill their blocks are one tall matrix.
  const calls = N % tileSize === 0 ? 1 : groups;
  const rows = (N * groups) / calls;
  for (let g = 0; g < calls; g++) {
    const at = g * rows * K;
    device.run('quantize_blocks_e4m3', {
      x: w.address + at * dtypeBytes[w.dtype],
      codes: codes.address + at,
      scales: scales.address + 4 * g * tilesIn(rows) * tilesIn(K),
      x_type: dtypeCode[w.dtype],
      N: rows,
      K,
      power_of_two: 0,
    });
  }
}

/** x [.., K] in tiles of 1x128: codes [.., K], scales [.., ceil(K / 128)]. */
export function quantizeTiles(x: Tensor, { powerOfTwo = false }: QuantizeOptions = {}): Quantized {
  const [codes, scales] = apply(quantizers.quantizeTiles, [x], { powerOfTwo });
  return { codes, scales };
}

/** w [N, K] in blocks of 128x128: codes [N, K], scales [ceil(N / 128), ceil(K / 128)]. */
export function quantizeBlocks(w: Tensor, { powerOfTwo = false }: QuantizeOptions = {}): Quantized {
  const [codes, scales] = apply(quantizers.quantizeBlocks, [w], { powerOfTwo });
  return { codes, scales };
}

/** code * scale of quantizeTiles, rounded once. */
export function dequantizeTiles({ codes, scales }: Quantized, dtype: 'f32' | 'bf16' = 'f32'): Tensor {
  return apply(quantizers.dequantizeTiles, [codes, scales], dtype)[0];
}

/** code * scale of quantizeBlocks, rounded once. */
export function dequantizeBlocks({ codes, scales }: Quantized, dtype: 'f32' | 'bf16' = 'f32'): Tensor {
  return apply(quantizers.dequantizeBlocks, [codes, scales], dtype)[0];
}

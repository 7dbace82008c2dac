// How fast this machine multiplies, so that a run can say what share of it becomes training.
import { type Device, measure, type Work } from '../kernels/index.ts';
import { linear, unscoped, zeros } from '../tensor/index.ts';

/**
 * Returns the measured rate of a bf16 GEMM of 1024 x 1024 x 1024 in FLOP/s; smaller where there are no native kernels.
 */
export async function measureGemmRate(device: Device): Promise<number> {
  const n = device.name === 'native' ? 1024 : device.name === 'wasm' ? 256 : 32;
  const [x, w] = unscoped(() => [0, 1].map(() => zeros([n, n], { dtype: 'bf16', device })));
  const work: Work = { encode: () => linear(x, w, { precision: 'bf16' }).dispose(), amount: 2 * n ** 3 };
  const [{ median }] = await measure(device, [work], 3);
  for (const operand of [x, w]) operand.dispose();
  return median;
}

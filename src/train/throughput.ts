// What this machine multiplies at most, so that a run can say what share of it becomes training.
import { type Device, gemmWorkspaceBytes, measure, type Work } from '../kernels/index.ts';

/** Measured rate of a bf16 GEMM of 1024 x 1024 x 1024, FLOP/s; smaller where there are no native kernels. */
export async function measureGemmRate(device: Device): Promise<number> {
  const n = device.name === 'native' ? 1024 : device.name === 'wasm' ? 256 : 32;
  const bf16 = 1;
  const operands = Array.from({ length: 3 }, () => device.alloc(2 * n * n, 'yardstick'));
  const workspace = device.alloc(gemmWorkspaceBytes(n, n), 'yardstick');
  const kernel = device.kernel('gemm_nt_bf16');
  for (const { address } of operands) device.encode(device.kernel('zero_bytes'), address, 2 * n * n);
  const addresses = [...operands, workspace].map(({ address }) => address);
  const work: Work = {
    encode: () => device.encode(kernel, ...addresses, n, n, n, n, n, n, bf16, bf16, bf16, 0),
    amount: 2 * n ** 3,
  };
  const [rate] = await measure(device, [work], 3);
  for (const buffer of [...operands, workspace]) buffer.free();
  return (rate as { median: number }).median;
}

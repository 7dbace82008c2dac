// The device of work that takes long: it waits for the compiler once, rather than begin on a slower device.
import { compileFirst, type Device, openDevice } from '../kernels/index.ts';

/** Compiles native kernels that are missing and shows how long that takes; `again` also where it failed before. */
export async function compileKernels(again = false): Promise<void> {
  const { isTTY } = process.stderr;
  await compileFirst({
    again,
    notice: (text) => console.error(`${isTTY ? '\r' : ''}${text}`),
    waiting: (seconds) => isTTY && process.stderr.write(`\rcompiling: ${seconds} s `),
  });
}

export async function openDeviceForLongWork(): Promise<Device> {
  await compileKernels();
  return openDevice();
}

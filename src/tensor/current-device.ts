// The device on which new tensors are made when none is named: one for the process, opened on first use.
import { type Device, openDevice } from '../kernels/index.ts';

let current: Device | null = null;

/** Makes new tensors on `device` from now on; null forgets it, so that the next use opens the best one here. */
export function useDevice(device: Device | null): void {
  current = device;
}

export function currentDevice(): Device {
  current ??= openDevice();
  return current;
}

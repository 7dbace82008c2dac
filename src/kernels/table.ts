// The table of all kernels: name, signature, definition. A new family is one more line here, one file in reference/,
// one in cpp/ (listed in cpp/isa.cc) and one in cases/.
import type { Kernel } from './kernel.ts';
import { attention } from './reference/attention.ts';
import { crossEntropy } from './reference/cross-entropy.ts';
import { dispatch } from './reference/dispatch.ts';
import { elementwise } from './reference/elementwise.ts';
import { gemm } from './reference/gemm.ts';
import { optimizer } from './reference/optimizer.ts';
import { quantiseKernels } from './reference/quantise.ts';
import { router } from './reference/router.ts';

const families = {
  ...attention,
  ...elementwise,
  ...quantiseKernels,
  ...crossEntropy,
  ...optimizer,
  ...router,
  ...dispatch,
  ...gemm,
};

export type KernelName = keyof typeof families;

export const kernels: Readonly<Record<KernelName, Kernel>> = families;

export const kernelNames = Object.keys(families) as KernelName[];

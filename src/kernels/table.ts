// The table of all kernels: name, signature, definition. A new family is one line here, one file in reference/, one in
// cpp/ (listed in cpp/isa.cc) and one in cases/.
import type { Kernel, NamedArguments } from './kernel.ts';
import { attention } from './reference/attention.ts';
import { copy } from './reference/copy.ts';
import { crossEntropy } from './reference/cross-entropy.ts';
import { dispatch } from './reference/dispatch.ts';
import { divergence } from './reference/divergence.ts';
import { elementwise } from './reference/elementwise.ts';
import { embedding } from './reference/embedding.ts';
import { gemm } from './reference/gemm.ts';
import { gemmGroups } from './reference/gemm-groups.ts';
import { headPages } from './reference/head-pages.ts';
import { norm } from './reference/norm.ts';
import { optimizer } from './reference/optimizer.ts';
import { paged } from './reference/paged.ts';
import { pagedAttention } from './reference/paged-attention.ts';
import { policy } from './reference/policy.ts';
import { probe } from './reference/probe.ts';
import { quantizeKernels } from './reference/quantize.ts';
import { random } from './reference/random.ts';
import { reduction } from './reference/reduction.ts';
import { rope } from './reference/rope.ts';
import { router } from './reference/router.ts';
import { sampling } from './reference/sampling.ts';
import { swiglu } from './reference/swiglu.ts';

const families = {
  ...attention,
  ...copy,
  ...elementwise,
  ...probe,
  ...quantizeKernels,
  ...crossEntropy,
  ...divergence,
  ...optimizer,
  ...router,
  ...dispatch,
  ...gemm,
  ...gemmGroups,
  ...embedding,
  ...norm,
  ...reduction,
  ...rope,
  ...swiglu,
  ...sampling,
  ...paged,
  ...pagedAttention,
  ...headPages,
  ...policy,
  ...random,
};

export type KernelName = keyof typeof families;

/** The arguments of a kernel by name, typed from its signature. */
export type CallArguments<Name extends KernelName> = NamedArguments<(typeof families)[Name]['signature']>;

export const kernels: Readonly<Record<KernelName, Kernel>> = families;

export const kernelNames = Object.keys(families) as KernelName[];

// The one table of cases. Every kernel has rows here; kernels.test.ts fails for a kernel without any.
import { attention } from './attention.ts';
import type { Case } from './case.ts';
import { copy } from './copy.ts';
import { crossEntropy } from './cross-entropy.ts';
import { dispatch } from './dispatch.ts';
import { divergence } from './divergence.ts';
import { elementwise } from './elementwise.ts';
import { embedding } from './embedding.ts';
import { gemm } from './gemm.ts';
import { gemmGroups } from './gemm-groups.ts';
import { headPages } from './head-pages.ts';
import { norm } from './norm.ts';
import { optimizer } from './optimizer.ts';
import { paged } from './paged.ts';
import { policy } from './policy.ts';
import { probe } from './probe.ts';
import { quantize } from './quantize.ts';
import { random } from './random.ts';
import { reduction } from './reduction.ts';
import { rope } from './rope.ts';
import { router } from './router.ts';
import { sampling } from './sampling.ts';
import { specialRows } from './special.ts';
import { swiglu } from './swiglu.ts';

const ordinary: readonly Case[] = [
  ...attention,
  ...elementwise,
  ...probe,
  ...gemm,
  ...gemmGroups,
  ...quantize,
  ...crossEntropy,
  ...divergence,
  ...optimizer,
  ...router,
  ...dispatch,
  ...copy,
  ...embedding,
  ...norm,
  ...reduction,
  ...rope,
  ...swiglu,
  ...paged,
  ...headPages,
  ...sampling,
  ...policy,
  ...random,
];

export const cases: readonly Case[] = [...ordinary, ...specialRows(ordinary)];

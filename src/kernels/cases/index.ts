// The one table of cases. Every kernel has rows here; kernels.test.ts fails for a kernel without any.
import { attention } from './attention.ts';
import type { Case } from './case.ts';
import { crossEntropy } from './cross-entropy.ts';
import { dispatch } from './dispatch.ts';
import { elementwise } from './elementwise.ts';
import { gemm } from './gemm.ts';
import { optimizer } from './optimizer.ts';
import { quantise } from './quantise.ts';
import { router } from './router.ts';

export const cases: readonly Case[] = [
  ...attention,
  ...elementwise,
  ...gemm,
  ...quantise,
  ...crossEntropy,
  ...optimizer,
  ...router,
  ...dispatch,
];

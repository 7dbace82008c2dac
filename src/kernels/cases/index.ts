// The one table of cases. Every kernel has rows here; kernels.test.ts fails for a kernel without any.
import type { Case } from './case.ts';
import { elementwise } from './elementwise.ts';

export const cases: readonly Case[] = [...elementwise];

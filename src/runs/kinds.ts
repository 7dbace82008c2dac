// The kinds of runs, in the order of the pipeline. This list is the only place that names them all.
import { distill } from '../distill/index.ts';
import { reward } from '../reward/index.ts';
import { rl } from '../rl/index.ts';
import { sft } from '../sft/index.ts';
import { pretrain, type RunKind } from '../train/index.ts';

export const runKinds: readonly RunKind[] = [pretrain, sft, reward, rl, distill];

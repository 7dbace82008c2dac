// The error of a checkpoint file that is not what it claims: `[file] tensor: problem; remedy`.
import { MinkeError } from '../../kernels/index.ts';

export class CheckpointError extends MinkeError {}

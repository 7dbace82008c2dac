// A checkpoint file that is not what it says: `[file] tensor: what is wrong; what to do`.
import { MinkeError } from '../../kernels/index.ts';

export class CheckpointError extends MinkeError {}

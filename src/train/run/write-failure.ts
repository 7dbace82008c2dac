// What keeps a run from writing its files, in words: a full or read-only disk, rights, limits.
import { TrainError } from '../errors.ts';

const problems: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the disk is read-only',
  EACCES: 'this user may not write here',
  EPERM: 'this user may not write here',
  EFBIG: 'a file may not grow this large (ulimit -f)',
  EIO: 'the disk reports an error',
};

/** What stays of a run whose files cannot be written. */
const remedy = 'make room or choose another folder, and resume the run; the checkpoints that it has are whole';

/** Returns a failure to write a file of the run in `folder` as a TrainError; other errors as they are. */
export function asWriteFailure(error: unknown, folder: string): unknown {
  const { code = '', path = folder } = error as NodeJS.ErrnoException;
  const problem = error instanceof TrainError || !path.startsWith(folder) ? undefined : problems[code];
  return problem === undefined ? error : new TrainError(path, problem, remedy);
}

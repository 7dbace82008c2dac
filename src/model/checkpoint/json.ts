// JSON files of a checkpoint, which a stranger may have written.
import { FileError, readJsonFile } from '../../untrusted/index.ts';
import { CheckpointError } from './errors.ts';

/** The index of DeepSeek-V3's 163 shards has 9 MB. */
const maxJsonBytes = 2 ** 26;

/**
 * Parses a JSON file of a checkpoint. Throws CheckpointError when it is missing, not a file, too large or deep, or not
 * JSON.
 */
export function readJson(path: string): unknown {
  try {
    const json = readJsonFile(path, { maxBytes: maxJsonBytes, followsLinks: true });
    if (json === undefined) throw new CheckpointError(path, 'is missing', 'check the folder');
    return json;
  } catch (error) {
    if (error instanceof FileError) throw new CheckpointError(path, error.problem, error.remedy);
    throw error;
  }
}

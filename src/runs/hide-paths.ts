// Messages for people at other machines: paths of this one are shortened to what they end in.
import { relative, resolve, sep } from 'node:path';

/** A path from the root or a drive, also as file://, up to a space, a quote or a bracket. Addresses are none. */
const absolutePath = /(^|[\s"'`([{=,;:])(?:file:\/\/)?((?:[A-Za-z]:)?[\\/](?![\\/])[^\s"'`()[\]{},;]+)/g;

/** Returns a message without absolute paths: of one inside `root` the way from there stays, of others the last part. */
export function hidePaths(message: string, root: string): string {
  return message.replaceAll(absolutePath, (_, before: string, path: string) => {
    const inside = relative(root, resolve(path));
    const isInside = inside !== '' && !inside.startsWith('..') && !/^[A-Za-z]:/.test(inside);
    const last = path.split(/[\\/]/).findLast((part) => part !== '') ?? '';
    return before + (isInside ? inside.replaceAll(sep, '/') : last);
  });
}

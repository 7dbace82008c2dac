// Paths of this machine in texts for others: a message over HTTP names a file, never the folders that lead to it.
import { existsSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';

const separators = /[\\/]/;

/** An absolute path: not in the middle of a URL or of another path. */
const absolute =
  /(?<![\w:/\\.~-])(?:[A-Za-z]:)?[\\/][^\s'"`()[\]{},;:*?<>|\\/]+(?:[\\/]+[^\s'"`()[\]{},;:*?<>|\\/]+)+/g;

function lastPart(path: string): string {
  return path.split(separators).findLast((part) => part !== '') ?? '';
}

/** Whether the first folder of a path is one of this machine; the path of a route is not. */
function isOnMachine(path: string): boolean {
  const [drive, first] = path.split(separators);
  return drive !== '' || existsSync(`/${first}`);
}

const escaped = (text: string) => text.replaceAll(/[^\w/]/g, '\\$&');

/** Folders that texts most often lead through, whose names may have spaces; the longest first. */
function knownFolders(): string[] {
  const folders = [process.cwd(), homedir(), tmpdir()].filter((folder) => lastPart(folder) !== '');
  return folders.sort((a, b) => b.length - a.length);
}

/** Replaces absolute paths of this machine by their last parts. */
export function hidePaths(text: string): string {
  let hidden = text.replaceAll(/file:\/\/(?=\/)/g, '');
  for (const folder of knownFolders()) {
    hidden = hidden.replaceAll(new RegExp(`${escaped(folder)}[\\\\/]+`, 'g'), '');
    hidden = hidden.replaceAll(new RegExp(`${escaped(folder)}(?![\\w-])`, 'g'), () => lastPart(folder));
  }
  return hidden.replaceAll(absolute, (path) => (isOnMachine(path) ? lastPart(path) : path));
}

// When a build may be skipped: its output stands beside a key, the hash of everything that went into it.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

function filesIn(folder) {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(folder, join(parentPath, name)));
}

/** Hash of a folder's sources, at any depth, without those named in `except`, and of what else decides the output. */
export function buildKey(folder, except, ...others) {
  const hash = createHash('sha256');
  for (const file of filesIn(folder).sort())
    if (!except.includes(file)) hash.update(file).update(readFileSync(join(folder, file)));
  for (const other of others) hash.update('\0').update(other);
  return hash.digest('hex');
}

export function isBuilt(targets, key) {
  const stamp = `${targets[0]}.key`;
  return targets.every(existsSync) && existsSync(stamp) && readFileSync(stamp, 'utf8') === key;
}

export function markBuilt(targets, key) {
  writeFileSync(`${targets[0]}.key`, key);
}

#!/usr/bin/env node
// The command minke. Nothing is loaded before the version of Node is known to be one that can read it.
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`[minke] this is Node ${process.version}; install Node 20.19 or newer`);
  process.exitCode = 1;
} else {
  const { loadModule } = await import('./load-module.ts');
  const { start } = await loadModule<typeof import('./start.ts')>('start');
  await start(process.argv.slice(2));
}

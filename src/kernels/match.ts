// The kernels of a build must be those of the table, word for word.
import { DeviceError } from './errors.ts';
import { type KernelName, kernelNames, kernels } from './table.ts';

/**
 * `listed` is [name, signature, ...] in the order of the build's kernel numbers; returns the names in that order.
 * Throws DeviceError for a build of other sources.
 */
export function checkSignatures(listed: readonly string[], build: string): KernelName[] {
  const order: KernelName[] = [];
  const refuse = (problem: string) => new DeviceError('open', problem, 'build the kernels again (npm run build)');
  for (let i = 0; i < listed.length; i += 2) {
    const name = listed[i] as KernelName;
    const known = kernels[name];
    if (!known) throw refuse(`${build} has a kernel ${name} that table.ts does not define`);
    if (known.signature !== listed[i + 1])
      throw refuse(`${name} reads "${listed[i + 1]}" in ${build} and "${known.signature}" in reference/`);
    order.push(name);
  }
  const missing = kernelNames.filter((name) => !order.includes(name));
  if (missing.length > 0) throw refuse(`${build} lacks ${missing.join(', ')}`);
  return order;
}

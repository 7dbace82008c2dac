// The kernels of a build must be those of the table, word for word.
import { assert } from './errors.ts';
import { type KernelName, kernelNames, kernels } from './table.ts';

/** `listed` is [name, signature, ...] in the order of the build's kernel numbers; returns the names in that order. */
export function checkSignatures(listed: readonly string[], build: string): KernelName[] {
  const order: KernelName[] = [];
  for (let i = 0; i < listed.length; i += 2) {
    const name = listed[i] as KernelName;
    const known = kernels[name];
    assert(known, `${build} has a kernel ${name} that table.ts does not define`);
    assert(
      known.signature === listed[i + 1],
      `${name} reads "${listed[i + 1]}" in ${build} and "${known.signature}" in reference/`,
    );
    order.push(name);
  }
  const missing = kernelNames.filter((name) => !order.includes(name));
  assert(missing.length === 0, `${build} lacks ${missing.join(', ')}`);
  return order;
}

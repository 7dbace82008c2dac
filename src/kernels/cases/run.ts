// Runs one row of the table on a device: what the kernel wrote, and whether it stayed inside its buffers.
import type { Device, Buffer as Memory } from '../device.ts';
import { type Data, type DType, viewAs } from '../dtype.ts';
import { assert } from '../errors.ts';
import type { Parameter, Place } from '../kernel.ts';
import { type CallArguments, type KernelName, kernels } from '../table.ts';
import { argumentNames, type Case } from './case.ts';

const guardBytes = 64;
const guardByte = 0xa5;

export interface Outcome {
  /** What each written argument holds after the run. */
  readonly written: ReadonlyMap<string, { dtype: DType; data: Data }>;
  /** Names of arguments whose surroundings changed. */
  readonly overrun: readonly string[];
}

function argumentFormat(parameter: Parameter, row: Case): DType {
  if (parameter.kind === 'any') return row.formats?.[parameter.name] ?? 'f32';
  return parameter.kind as DType;
}

function toBytes(data: Data): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Under AddressSanitizer a buffer is exactly as long as its data, so that a read beyond it is seen as well. */
function place(device: Device, data: Data, guarded: boolean): Memory {
  const guard = guarded ? guardBytes : 0;
  const bytes = new Uint8Array(data.byteLength + guard);
  bytes.set(toBytes(data));
  bytes.fill(guardByte, data.byteLength);
  const buffer = device.alloc(bytes.length, 'case');
  device.write(buffer, bytes);
  return buffer;
}

export async function runCase(device: Device, row: Case): Promise<Outcome> {
  const { parameters } = kernels[row.kernel];
  const guarded = process.env.MINKE_EXACT_MEMORY !== '1' && device.name !== 'reference';
  const buffers = new Map<string, { readonly parameter: Parameter; readonly buffer: Memory }>();
  const args = parameters.map((parameter): [string, Place | Place[]] => {
    const places = argumentNames(row.args, parameter).map((name): Place => {
      const given = row.args[name];
      assert(given !== undefined, `case "${row.name}" of ${row.kernel} lacks ${name}`);
      if (given === null || typeof given === 'number') return given;
      const buffer = place(device, given, guarded);
      buffers.set(name, { parameter, buffer });
      return buffer;
    });
    return [parameter.name, parameter.isList ? places : places[0]];
  });
  try {
    device.run(row.kernel, Object.fromEntries(args) as unknown as CallArguments<KernelName>);
    // All at once: waiting for each would wake the threads again and again.
    const after = await Promise.all(
      [...buffers.values()].map(({ buffer }) => device.read(buffer, new Uint8Array(buffer.bytes))),
    );
    const written = new Map<string, { dtype: DType; data: Data }>();
    const overrun: string[] = [];
    for (const [i, [name, { parameter }]] of [...buffers].entries()) {
      const bytes = after[i];
      const given = row.args[name] as Data;
      const length = given.byteLength;
      if (bytes.subarray(length).some((byte) => byte !== guardByte)) overrun.push(name);
      const kept = bytes.subarray(0, length);
      if (parameter.written) {
        const dtype = argumentFormat(parameter, row);
        written.set(name, { dtype, data: viewAs(dtype, kept) });
      } else if (Buffer.compare(toBytes(given), kept) !== 0) overrun.push(`${name} (an input)`);
    }
    return { written, overrun };
  } finally {
    for (const { buffer } of buffers.values()) buffer.free();
  }
}

// The ggml number formats that minke reads and writes: F32, F16, BF16 and the block formats Q8_0 and Q4_0.
//
// A block is 32 values of one row. Q8_0: a binary16 step and 32 signed bytes. Q4_0: a binary16 step and 16 bytes, value
// j in the low half of byte j, value j + 16 in the high half, both plus 8; the step makes the value of largest
// magnitude -8. Rounding as in ggml: half away from zero, by the step before it is rounded itself. Source:
// ggml-quants.c.
import { toBf16, toF16 } from '../../kernels/index.ts';
import { halfValues } from './half.ts';

export const ggmlTypes = {
  F32: { id: 0, block: 1, bytes: 4 },
  F16: { id: 1, block: 1, bytes: 2 },
  Q4_0: { id: 2, block: 32, bytes: 18 },
  Q8_0: { id: 8, block: 32, bytes: 34 },
  BF16: { id: 30, block: 1, bytes: 2 },
} as const;

export type GgmlType = keyof typeof ggmlTypes;

export function ggmlBytes(type: GgmlType, elements: number): number {
  const { block, bytes } = ggmlTypes[type];
  return (elements / block) * bytes;
}

function encodeQ8(x: Float32Array, at: number, out: DataView, to: number): void {
  let max = 0;
  for (let i = 0; i < 32; i++) max = Math.max(max, Math.abs(x[at + i]));
  const step = Math.fround(max / 127);
  const inverse = step === 0 ? 0 : Math.fround(1 / step);
  out.setUint16(to, toF16(step), true);
  for (let i = 0; i < 32; i++) {
    const scaled = Math.fround(x[at + i] * inverse);
    out.setInt8(to + 2 + i, Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5));
  }
}

function encodeQ4(x: Float32Array, at: number, out: DataView, to: number): void {
  let top = 0;
  for (let i = 0; i < 32; i++) {
    const value = x[at + i];
    if (Math.abs(value) > Math.abs(top) || Number.isNaN(value)) top = value; // nothing exceeds NaN
  }
  const step = Math.fround(top / -8);
  const inverse = step === 0 ? 0 : Math.fround(1 / step);
  out.setUint16(to, toF16(step), true);
  const code = (i: number) => Math.min(15, Math.trunc(Math.fround(Math.fround(x[at + i] * inverse) + 8.5)));
  for (let i = 0; i < 16; i++) out.setUint8(to + 2 + i, code(i) | (code(i + 16) << 4));
}

/** Encodes whole blocks of values. */
export function encodeGgml(type: GgmlType, x: Float32Array): Uint8Array {
  if (type === 'F32') return new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
  if (type === 'F16') return new Uint8Array(Uint16Array.from(x, toF16).buffer);
  if (type === 'BF16') return new Uint8Array(Uint16Array.from(x, toBf16).buffer);
  const bytes = new Uint8Array(ggmlBytes(type, x.length));
  const view = new DataView(bytes.buffer);
  const encode = type === 'Q8_0' ? encodeQ8 : encodeQ4;
  for (let block = 0; block < x.length / 32; block++) encode(x, 32 * block, view, ggmlTypes[type].bytes * block);
  return bytes;
}

export function decodeQ8(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const x = new Float32Array((bytes.length / 34) * 32);
  for (let block = 0; block < bytes.length / 34; block++) {
    const step = halfValues()[view.getUint16(34 * block, true)];
    for (let i = 0; i < 32; i++) x[32 * block + i] = step * view.getInt8(34 * block + 2 + i);
  }
  return x;
}

export function decodeQ4(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const x = new Float32Array((bytes.length / 18) * 32);
  for (let block = 0; block < bytes.length / 18; block++) {
    const step = halfValues()[view.getUint16(18 * block, true)];
    for (let i = 0; i < 16; i++) {
      const byte = view.getUint8(18 * block + 2 + i);
      x[32 * block + i] = step * ((byte & 15) - 8);
      x[32 * block + i + 16] = step * ((byte >> 4) - 8);
    }
  }
  return x;
}

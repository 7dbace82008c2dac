// Number formats of device memory and their typed arrays in JavaScript.
// bf16 is the upper half of an f32; e4m3 is FP8 with 4 exponent and 3 mantissa bits, no infinity, 0x7f is NaN, max 448.

export type DType = 'f32' | 'bf16' | 'e4m3' | 'i32' | 'u8';

export type Data = Float32Array | Uint16Array | Uint8Array | Int32Array;

/** Bytes of one element. */
export const dtypeBytes: Readonly<Record<DType, number>> = { f32: 4, bf16: 2, e4m3: 1, i32: 4, u8: 1 };

/** The code of a format in a kernel's `*_type` argument. */
export const dtypeCode: Readonly<Record<DType, number>> = { f32: 0, bf16: 1, e4m3: 2, i32: 3, u8: 4 };

const arrays = { f32: Float32Array, bf16: Uint16Array, e4m3: Uint8Array, i32: Int32Array, u8: Uint8Array };

export function newData(dtype: DType, length: number): Data {
  return new arrays[dtype](length);
}

export function viewAs(dtype: DType, bytes: Uint8Array): Data {
  const length = Math.floor(bytes.byteLength / dtypeBytes[dtype]);
  return new arrays[dtype](bytes.buffer as ArrayBuffer, bytes.byteOffset, length);
}

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** Rounds to bf16, nearest even; NaN stays NaN. */
export function toBf16(x: number): number {
  float[0] = x;
  const u = word[0];
  if ((u & 0x7fffffff) > 0x7f800000) return (u >>> 16) | 0x40;
  return ((u + 0x7fff + ((u >>> 16) & 1)) >>> 16) & 0xffff;
}

export function fromBf16(bits: number): number {
  word[0] = bits << 16;
  return float[0];
}

/** Returns the exact value of a binary16 code. */
export function fromF16(code: number): number {
  const [sign, exponent, fraction] = [code >> 15 ? -1 : 1, (code >> 10) & 31, code & 1023];
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** Rounds to a whole number, halves to the even one. */
export function roundEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down;
}

/** Rounds to binary16, nearest even; too large becomes infinity. Node 20 has no Float16Array. */
export function toF16(x: number): number {
  float[0] = x;
  const u = word[0];
  const sign = (u >>> 16) & 0x8000;
  const magnitude = Math.abs(float[0]);
  if (Number.isNaN(magnitude)) return sign | 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | roundEven(magnitude * 2 ** 24);
  const exponent = ((u >>> 23) & 255) - 127;
  return sign | ((exponent + 15) * 1024 + roundEven(magnitude * 2 ** (10 - exponent)) - 1024);
}

/** Returns the exact value of an E4M3 code. */
export function fromE4m3(code: number): number {
  const exponent = (code >> 3) & 15;
  const mantissa = code & 7;
  if (exponent === 15 && mantissa === 7) return Number.NaN;
  const magnitude = exponent === 0 ? mantissa * 2 ** -9 : (8 + mantissa) * 2 ** (exponent - 10);
  return code & 0x80 ? -magnitude : magnitude;
}

/** Rounds to E4M3, nearest even, saturating at 448; NaN becomes 0x7f with the sign kept. */
export function toE4m3(x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x80 : 0;
  const a = Math.abs(x);
  if (Number.isNaN(x)) return 0x7f;
  if (a >= 448) return sign | 0x7e;
  const exponent = a < 2 ** -6 ? -6 : Math.floor(Math.log2(a));
  const step = 2 ** (exponent - 3);
  const value = roundEven(a / step) * step;
  if (value < 2 ** -6) return sign | Math.round(value * 2 ** 9);
  const e = Math.floor(Math.log2(value));
  return sign | ((e + 7) << 3) | (Math.round(value * 2 ** (3 - e)) - 8);
}

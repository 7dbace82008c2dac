// binary16 (F16): Node 20 has no Float16Array.

let halves: Float32Array | undefined;

/** Value of every code. */
export function halfValues(): Float32Array {
  halves ??= Float32Array.from({ length: 65536 }, (_, code) => {
    const [sign, exponent, fraction] = [code >> 15 ? -1 : 1, (code >> 10) & 31, code & 1023];
    if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
  });
  return halves;
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Rounds to binary16, nearest even; too large becomes infinity. */
export function toF16(x: number): number {
  float[0] = x;
  const u = bits[0] as number;
  const sign = (u >>> 16) & 0x8000;
  const magnitude = Math.abs(float[0] as number);
  if (Number.isNaN(magnitude)) return sign | 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | roundEven(magnitude * 2 ** 24);
  const exponent = ((u >>> 23) & 255) - 127;
  return sign | ((exponent + 15) * 1024 + roundEven(magnitude * 2 ** (10 - exponent)) - 1024);
}

function roundEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down;
}

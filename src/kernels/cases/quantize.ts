// Rows of FP8: every code and midpoint, ragged tiles and blocks, scales that are powers of two, NaN and infinity.
import { Random } from '../../math/index.ts';
import { dtypeCode, fromE4m3 } from '../dtype.ts';
import { tilesIn } from '../sizes.ts';
import { type Case, toFormat } from './case.ts';

type Format = 'f32' | 'bf16';

// Every E4M3 value, every midpoint between two of them and its f32 neighbors, and what lies beyond: the rounding rule
// on all its edges. The first tile holds 448, so its scale is exactly 1; the others hold 448 * 2^k.
function edges(): Float32Array {
  const values = Array.from({ length: 127 }, (_, code) => fromE4m3(code));
  const middles = values.slice(1).map((v, i) => (v + values[i]) / 2);
  const all = [
    ...values,
    ...middles,
    ...middles.map((m) => m * (1 + 2 ** -23)),
    ...middles.map((m) => m * (1 - 2 ** -24)),
  ];
  const points = [...all, ...all.map((x) => -x)];
  const tiles: number[] = [];
  for (let i = 0; i < points.length; i += 127) {
    const tile = [448, ...points.slice(i, i + 127)];
    tiles.push(...tile, ...new Array(128 - tile.length).fill(0));
  }
  return Float32Array.from(tiles.map((x, i) => x * 2 ** (Math.floor(i / 128) % 5)));
}

const tiny = 2 ** -149;
const special = Float32Array.from({ length: 5 * 128 }, (_, i) => {
  const tile = Math.floor(i / 128);
  if (tile === 0) return i % 2 === 0 ? 0 : -0; // all zero: zeros, never NaN
  if (tile === 1) return i === 130 ? Number.NaN : i - 190; // a NaN stays one and leaves the scale alone
  if (tile === 2) return i % 2 === 0 ? tiny * i : -1e-39; // below the smallest amax
  if (tile === 3) return i === 400 ? Number.POSITIVE_INFINITY : i; // the infinity becomes NaN, the rest zero
  return i === 514 ? -3.4028234663852886e38 : 1e-30 * i;
});

function quantizeRows(
  kind: 'tiles' | 'blocks',
  format: Format,
  rows: number,
  cols: number,
  x: Float32Array,
  about: string,
) {
  const scaleRows = kind === 'tiles' ? rows : tilesIn(rows);
  return [0, 1].map((powerOfTwo): Case => {
    const sizes = kind === 'tiles' ? { rows, cols } : { N: rows, K: cols };
    return {
      kernel: `quantize_${kind}_e4m3`,
      name: `${about} [${rows}, ${cols}] ${format}${powerOfTwo ? ', scales powers of two' : ''}`,
      args: {
        x: toFormat(format, x),
        codes: new Uint8Array(rows * cols),
        scales: new Float32Array(scaleRows * tilesIn(cols)),
        x_type: dtypeCode[format],
        power_of_two: powerOfTwo,
        ...sizes,
      },
      formats: { x: format },
      exact: true,
    };
  });
}

function dequantizeRow(kind: 'tiles' | 'blocks', format: Format, rows: number, cols: number, codes: Uint8Array): Case {
  const scaleRows = kind === 'tiles' ? rows : tilesIn(rows);
  const scales = new Random(rows + cols).normals(scaleRows * tilesIn(cols), 0.01);
  return {
    kernel: `dequantize_${kind}_e4m3`,
    name: `[${rows}, ${cols}] to ${format}`,
    args: {
      codes,
      scales,
      out: toFormat(format, new Float32Array(rows * cols)),
      out_type: dtypeCode[format],
      ...(kind === 'tiles' ? { rows, cols } : { N: rows, K: cols }),
    },
    formats: { out: format },
    exact: true,
  };
}

const allCodes = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 37) & 255);

const shapes: [number, number][] = [
  [0, 128],
  [1, 1],
  [1, 128],
  [3, 127],
  [2, 129],
  [5, 331],
  [17, 256],
  [129, 130],
  [300, 576], // ragged in both: kv_a_proj has 576 columns
];

const edgeValues = edges();

export const quantize: Case[] = [
  ...quantizeRows('tiles', 'f32', edgeValues.length / 128, 128, edgeValues, 'every code, midpoint and neighbor'),
  ...quantizeRows('tiles', 'f32', 5, 128, special, 'zeros, NaN, tiny, infinity, huge'),
  ...quantizeRows(
    'blocks',
    'f32',
    5,
    128,
    special.map((x) => (Math.abs(x) > 1e30 ? 1 : x)),
    'a NaN in a block',
  ),
  ...quantizeRows('blocks', 'f32', 200, 200, new Float32Array(40_000), 'all zero'),
  ...(['tiles', 'blocks'] as const).flatMap((kind) =>
    (['f32', 'bf16'] as const).flatMap((format) =>
      shapes.flatMap(([rows, cols]) => [
        ...quantizeRows(kind, format, rows, cols, new Random(rows * 1000 + cols).normals(rows * cols, 3), 'normal'),
        dequantizeRow(kind, format, rows, cols, allCodes(rows * cols)),
      ]),
    ),
  ),
];

// A ready checkpoint: the weights of a serving model as they lie in memory, in one safetensors file beside config.json.
//
// Names are those of the serving model: fused (fusion.ts), kv_b_proj in halves, experts stacked. A packed weight is U8
// [bytes of its panels], FP8's scales are F32 under its name and `.scales`; other weights are tensors of their own
// format. The metadata says which weights are packed, in which format and shape, and how panels lie (panel-layout.ts).
// Every tensor starts at a multiple of 64 bytes of the file; `padding.N` fills the gaps, which safetensors does not
// allow. Left out: checksums, which would be a pass over the bytes.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  groupSize,
  type PanelFormat,
  type PanelLayout,
  type PanelOrder,
  panelBytes,
  panelOrders,
  tilesIn,
} from '../../kernels/index.ts';
import { elementCount, formatShape, type PackableFormat, weightSizes } from '../../tensor/index.ts';
import { CheckpointError } from './errors.ts';
import type { SafetensorsFile } from './safetensors.ts';

export const readyFile = 'ready.safetensors';

/** Whether a folder holds a ready checkpoint. */
export function isReady(folder: string): boolean {
  return existsSync(join(folder, readyFile));
}

/** The version of names, fusion and panels. */
const version = '1';

/** Tensors start at multiples of this: a cache line. */
export const readyAlignment = 64;

export const scalesName = (name: string) => `${name}.scales`;
export const paddingName = (i: number) => `padding.${i}`;
const isPadding = (name: string) => /^padding\.\d+$/.test(name);

export interface PackedShape {
  readonly format: PackableFormat;
  /** [N, K] or [E, N, K]. */
  readonly shape: readonly number[];
}

/** The metadata of a file. */
export interface ReadyContents {
  /** The format that the model was packed in; single weights may differ, as the router's f32. */
  readonly format: PackableFormat;
  readonly layout: PanelLayout;
  readonly packed: ReadonlyMap<string, PackedShape>;
}

const panelFormats: Readonly<Record<PackableFormat, PanelFormat>> = {
  f32: 'f32',
  bf16: 'bf16',
  fp8: 'e4m3',
  int8: 'int8',
  int4: 'int4',
};

export function toPanelFormat(format: PackableFormat): PanelFormat {
  return panelFormats[format];
}

/** Returns the bytes of a weight's panels. */
function countPanelBytes({ width }: PanelLayout, { format, shape }: PackedShape): number {
  const [groups, n, k] = weightSizes(shape);
  return panelBytes(panelFormats[format], n, k, width, groups);
}

/** Returns the shape of FP8's scales: one for each block of 128 x 128. */
export function scaleShape(shape: readonly number[]): number[] {
  const [, n, k] = weightSizes(shape);
  return [...shape.slice(0, -2), tilesIn(n), tilesIn(k)];
}

export function writeMetadata({ format, layout, packed }: ReadyContents): Record<string, string> {
  return {
    minke: 'ready',
    version,
    weights: format,
    panel_order: layout.order,
    panel_width: String(layout.width),
    packed: JSON.stringify(Object.fromEntries(packed)),
  };
}

const remedy = 'convert the model again: minke convert MODEL FOLDER --ready --dtype FORMAT';

function refuse(file: string, problem: string): never {
  throw new CheckpointError(file, problem, remedy);
}

function expectChoice<T extends string>(file: string, key: string, value: string | undefined, known: readonly T[]): T {
  if ((known as readonly string[]).includes(value ?? '')) return value as T;
  return refuse(file, `${key} in its metadata: expected ${known.join(', ')}, received ${value ?? 'nothing'}`);
}

const isSize = (n: unknown) => Number.isSafeInteger(n) && (n as number) > 0;

function readPacked(file: string, text: string | undefined): Map<string, PackedShape> {
  let json: unknown;
  try {
    json = JSON.parse(text ?? '');
  } catch {
    return refuse(file, 'packed in its metadata is not JSON');
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    return refuse(file, 'packed in its metadata: expected weights by name');
  const formats = Object.keys(panelFormats) as PackableFormat[];
  const entries = Object.entries(json).map(([name, value]): [string, PackedShape] => {
    const { format, shape } = (value ?? {}) as { format?: string; shape?: unknown };
    if (!(Array.isArray(shape) && (shape.length === 2 || shape.length === 3) && shape.every(isSize)))
      refuse(file, `${name}: expected a shape [N, K] or [E, N, K], received ${JSON.stringify(shape)}`);
    const packed = { format: expectChoice(file, name, format, formats), shape: shape as number[] };
    const inGroups = packed.format === 'int8' || packed.format === 'int4';
    if (inGroups && (packed.shape.at(-1) as number) % groupSize !== 0)
      refuse(
        file,
        `${name}: ${format} needs K to be whole groups of ${groupSize}, received ${formatShape(packed.shape)}`,
      );
    return [name, packed];
  });
  return new Map(entries);
}

/** Reads the metadata from the header. Throws CheckpointError unless the file holds exactly what it says. */
export function readContents({ entries, metadata }: SafetensorsFile, file: string): ReadyContents {
  expectChoice(file, 'minke', metadata.minke, ['ready']);
  if (metadata.version !== version)
    throw new CheckpointError(
      file,
      `has version ${metadata.version ?? 'none'}, expected ${version}`,
      'convert the model again with this minke, or use the one that wrote it',
    );
  const order = expectChoice<PanelOrder>(file, 'panel_order', metadata.panel_order, panelOrders);
  const width = Number(metadata.panel_width);
  if (!isSize(width)) refuse(file, `panel_width in its metadata: expected a count, received ${metadata.panel_width}`);
  const contents: ReadyContents = {
    format: expectChoice(file, 'weights', metadata.weights, Object.keys(panelFormats) as PackableFormat[]),
    layout: { order, width },
    packed: readPacked(file, metadata.packed),
  };
  checkEntries(entries, contents, file);
  return contents;
}

function checkEntries(entries: SafetensorsFile['entries'], { packed, layout }: ReadyContents, file: string): void {
  const scales = new Map([...packed].filter(([, { format }]) => format === 'fp8').map(([n, p]) => [scalesName(n), p]));
  for (const name of [...packed.keys(), ...scales.keys()])
    if (!entries.has(name)) refuse(file, `${name} is missing, but its metadata names it`);
  for (const { name, type, shape, begin, end } of entries.values()) {
    const weight = packed.get(name);
    const scaled = scales.get(name);
    if (weight) {
      const bytes = countPanelBytes(layout, weight);
      const { format, shape: whole } = weight;
      if (type !== 'U8' || end - begin !== bytes)
        refuse(
          file,
          `${name}: ${format} ${formatShape(whole)} takes ${bytes} bytes of U8, received ${end - begin} of ${type}`,
        );
    } else if (scaled) {
      const expected = scaleShape(scaled.shape);
      if (type !== 'F32' || elementCount(shape) !== elementCount(expected))
        refuse(file, `${name}: expected F32 ${formatShape(expected)}, received ${type} ${formatShape(shape)}`);
    } else if (!isPadding(name) && type !== 'F32' && type !== 'BF16')
      refuse(file, `${name}: expected F32, BF16 or a packed weight, received ${type} ${formatShape(shape)}`);
  }
}

/** Lists the tensors of a file that are weights without packing. */
export function plainNames({ entries }: SafetensorsFile, { packed }: ReadyContents): string[] {
  return [...entries.keys()].filter(
    (name) => !packed.has(name) && !isPadding(name) && !(name.endsWith('.scales') && packed.has(name.slice(0, -7))),
  );
}

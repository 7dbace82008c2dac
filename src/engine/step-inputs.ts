// The inputs of a step as one tensor: tokens, positions, block tables, logit edits, draws. One write a step.
//
// Rows of several chunks lie end to end. A recorded step has a fixed shape: every chunk has `maxChunkRows` rows, all
// of them sampled; a shorter chunk repeats its last token, and chunks beyond those given repeat the first, with slots
// of -1, so that the copies choose the same experts, write nothing and are dropped. The position of a token in its
// sequence decides its draw (uniformAt). Shape letters: B chunks, T rows, W blocks of a table, R sampled rows, M logit
// edits, K masks.
import { blockTokens } from '../kernels/index.ts';
import { uniformAt } from '../math/index.ts';
import { elementCount, narrow, reshape, Tensor } from '../tensor/index.ts';
import type { LogitEditArrays } from './logits-processor.ts';
import type { ScheduledChunk } from './runner.ts';

export interface StepShape {
  readonly chunks: number;
  readonly rows: number;
  /** No chunk has more rows; in a fixed shape every chunk has as many. */
  readonly maxChunkRows: number;
  readonly isFixed: boolean;
  readonly tableWidth: number;
  readonly sampledRows: number;
  /** Cached tokens of all sequences; 0 in a fixed shape, which does not read them back. */
  readonly keys: number;
  /** Room for logit edits. */
  readonly edits: number;
  /** Room for masks of tokens, and the words of each. */
  readonly masks: number;
  readonly maskWords: number;
}

/** The numbers of a row of settings: temperature, top-k, top-p, min-p, draw. */
const drawSettings = 5;

/** Type and dimensions of each section. */
function stepSections(shape: StepShape) {
  const { chunks: B, rows: T, tableWidth: W, sampledRows: R, edits: M, masks: K } = shape;
  return {
    ids: ['i32', [T]],
    positions: ['i32', [T]],
    slots: ['i32', [T]],
    /** The token after each row where it is known, else -1 */
    nextIds: ['i32', [T]],
    sampledRows: ['i32', [R]],
    starts: ['i32', [B + 1]],
    keyStarts: ['i32', [B + 1]],
    first: ['i32', [B]],
    lengths: ['i32', [B]],
    tables: ['i32', [B, W]],
    settings: ['f32', [R, drawSettings]],
    /** The settings of drafts, which are drawn for the position after */
    draftSettings: ['f32', [R, drawSettings]],
    editStarts: ['i32', [R + 1]],
    editIds: ['i32', [M]],
    editScales: ['f32', [M]],
    editAdds: ['f32', [M]],
    /** The mask of each row; -1: none */
    maskRows: ['i32', [R]],
    masks: ['i32', [K, shape.maskWords]],
  } as const satisfies Record<string, readonly ['i32' | 'f32', readonly number[]]>;
}

type Section = keyof ReturnType<typeof stepSections>;
export type StepInputViews = Readonly<Record<Section, Tensor>>;

/** Maps each section to what `make` makes of its place, in 4-byte numbers. */
function mapSections<T>(
  shape: StepShape,
  make: (from: number, dtype: 'i32' | 'f32', dimensions: readonly number[]) => T,
): Record<Section, T> {
  let from = 0;
  const entries = Object.entries(stepSections(shape)).map(([name, [dtype, dimensions]]) => {
    const made = make(from, dtype, dimensions);
    from += elementCount(dimensions);
    return [name, made];
  });
  return Object.fromEntries(entries);
}

/** Returns the size of the inputs in 4-byte numbers. */
export function stepInputsSize(shape: StepShape): number {
  return Object.values(stepSections(shape)).reduce((total, [, dimensions]) => total + elementCount(dimensions), 0);
}

/** Returns views of inputs [stepInputsSize] i32 on the device. */
export function viewStepInputs(shape: StepShape, inputs: Tensor): StepInputViews {
  return mapSections(shape, (from, dtype, dimensions) => {
    const section = narrow(inputs, from, elementCount(dimensions));
    if (dtype === 'i32') return reshape(section, dimensions);
    return new Tensor(section.storage.retain(), section.offsetBytes, dimensions, dtype);
  });
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

/** Returns the shape that holds these chunks exactly. */
export function exactShape(chunks: readonly ScheduledChunk[]): Omit<StepShape, 'edits' | 'masks' | 'maskWords'> {
  const lengths = chunks.map(({ ids }) => ids.length);
  const ends = chunks.map(({ from, ids }) => from + ids.length);
  return {
    chunks: chunks.length,
    rows: sum(lengths),
    maxChunkRows: Math.max(...lengths),
    isFixed: false,
    tableWidth: Math.max(...ends.map((end) => Math.ceil(end / blockTokens))),
    sampledRows: sum(chunks.map(({ ids, sampleFrom }) => ids.length - sampleFrom)),
    keys: sum(ends),
  };
}

/** Edits of the logits of all sampled rows, in their order; those of row r end at ends[r]. */
export interface StepLogitEdits extends LogitEditArrays {
  readonly ends: readonly number[];
  /** The mask of each row; null: none. */
  readonly masks: readonly (Int32Array | null)[];
}

/** Returns the masks of edits, and the words of each. */
export function countMasks({ masks }: StepLogitEdits): Pick<StepShape, 'masks' | 'maskWords'> {
  const given = masks.filter((mask) => mask !== null);
  return { masks: given.length, maskWords: given[0]?.length ?? 0 };
}

/**
 * Collects penalties, biases, forced tokens, and masks of sampled rows. `rowsEach`: rows of a chunk in a fixed shape.
 */
export function collectLogitEdits(chunks: readonly ScheduledChunk[], rowsEach: number | null): StepLogitEdits {
  const room = sum(
    chunks.map(({ sequence, ids, sampleFrom }) => (ids.length - sampleFrom) * (sequence.logitsProcessor.length + 2)),
  );
  const arrays = { ids: new Int32Array(room), scales: new Float32Array(room), adds: new Float32Array(room) };
  const ends: number[] = [];
  const masks: (Int32Array | null)[] = [];
  let at = 0;
  for (const { sequence, ids, sampleFrom } of chunks) {
    const { logitsProcessor, listener } = sequence;
    for (let row = sampleFrom; row < (rowsEach ?? ids.length); row++) {
      const forced = row === sampleFrom ? listener.forcedToken() : null;
      if (forced !== null) {
        arrays.ids[at] = forced;
        arrays.scales[at] = 1;
        arrays.adds[at++] = Number.POSITIVE_INFINITY;
      } else if (row < ids.length) {
        const drafts = ids.subarray(sampleFrom + 1, row + 1);
        for (const id of drafts) logitsProcessor.push(id);
        at = logitsProcessor.write(arrays, at);
        for (const id of drafts) logitsProcessor.pop(id);
      }
      const isFree = forced !== null || row >= ids.length;
      masks.push(isFree ? null : (listener.constraint?.mask(row - sampleFrom) ?? null));
      ends.push(at);
    }
  }
  const { ids, scales, adds } = arrays;
  return { ids: ids.subarray(0, at), scales: scales.subarray(0, at), adds: adds.subarray(0, at), ends, masks };
}

/** Writes chunks and the logit edits of their sampled rows as the inputs of a step. */
export function writeStepInputs(
  shape: StepShape,
  chunks: readonly ScheduledChunk[],
  edits: StepLogitEdits,
): Int32Array<ArrayBuffer> {
  const inputs = new Int32Array(stepInputsSize(shape));
  const sections = mapSections(shape, (from, dtype, dimensions) => {
    const View = dtype === 'i32' ? Int32Array : Float32Array;
    return new View(inputs.buffer, 4 * from, elementCount(dimensions));
  });
  let [row, sampled, key] = [0, 0, 0];
  for (let b = 0; b < shape.chunks; b++) {
    const isCopy = b >= chunks.length;
    const { sequence, from, ids, sampleFrom } = chunks[isCopy ? 0 : b];
    const rows = shape.isFixed ? shape.maxChunkRows : ids.length;
    sections.starts[b] = row;
    sections.keyStarts[b] = key;
    sections.first[b] = from;
    sections.lengths[b] = from + rows;
    sections.tables.set(sequence.blocks.slice(0, shape.tableWidth), b * shape.tableWidth);
    for (let i = 0; i < rows; i++, row++) {
      const p = from + i;
      const isReal = !isCopy && i < ids.length;
      const slot = sequence.blocks[Math.floor(p / blockTokens)] * blockTokens + (p % blockTokens);
      sections.ids[row] = ids[Math.min(i, ids.length - 1)];
      sections.positions[row] = p;
      sections.slots[row] = isReal ? slot : -1;
      sections.nextIds[row] = p + 1 < sequence.length ? sequence.token(p + 1) : -1;
      if (i < sampleFrom) continue;
      const { temperature, topK, topP, minP, seed } = sequence.options.sampling;
      const own = isReal ? [temperature, topK, topP, minP] : [0, 0, 1, 0];
      sections.settings.set([...own, uniformAt(seed, p + 1)], sampled * drawSettings);
      sections.draftSettings.set([...own, uniformAt(seed, p + 2)], sampled * drawSettings);
      sections.sampledRows[sampled++] = row;
    }
    key += from + rows;
  }
  sections.starts[shape.chunks] = row;
  sections.keyStarts[shape.chunks] = key;
  for (let r = 0; r < shape.sampledRows; r++) sections.editStarts[r + 1] = edits.ends[r] ?? edits.ids.length;
  sections.editIds.set(edits.ids);
  sections.editScales.set(edits.scales);
  sections.editAdds.set(edits.adds);
  let masks = 0;
  for (let r = 0; r < shape.sampledRows; r++) {
    const mask = edits.masks[r] ?? null;
    if (mask !== null) sections.masks.set(mask, masks * shape.maskWords);
    sections.maskRows[r] = mask === null ? -1 : masks++;
  }
  return inputs;
}

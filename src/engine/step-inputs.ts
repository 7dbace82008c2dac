// The numbers that change from step to step, as one piece of memory: tokens, places, tables, draws. One write a step.
//
// Rows of several runs stand end to end. A recorded step has a fixed shape: every run has `maxRows` rows, all of them
// wanted; a run of fewer repeats its last token, and runs beyond those given repeat the first, with slots of -1, so that
// the copies choose the same experts, write nothing and are thrown away. The place of a token in its sequence decides its
// draw (random.ts). Shape letters: B runs, T rows, W blocks of a table, R rows whose next token is wanted, M edits.

import { blockTokens } from '../kernels/index.ts';
import { uniformAt } from '../math/index.ts';
import { narrow, reshape, Tensor } from '../tensor/index.ts';
import type { LogitEditArrays } from './logits-processor.ts';
import type { ScheduledChunk } from './runner.ts';

export interface StepShape {
  readonly chunks: number;
  readonly rows: number;
  /** No run has more rows; in a fixed shape every run has as many. */
  readonly maxChunkRows: number;
  readonly isFixed: boolean;
  readonly tableWidth: number;
  readonly sampledRows: number;
  /** Keys of all runs, where they are to be read back end to end; else 0. */
  readonly keys: number;
  /** Room for edits of logits. */
  readonly edits: number;
}

/** Numbers of a row of settings: temperature, top-k, top-p, min-p, draw. */
const drawSettings = 5;

/** Name, format and dimensions of each section. */
function stepSections({ chunks: B, rows: T, tableWidth: W, sampledRows: R, edits: M }: StepShape) {
  return {
    ids: ['i32', [T]],
    positions: ['i32', [T]],
    slots: ['i32', [T]],
    /** The token after each row where it is known, else -1. */
    ahead: ['i32', [T]],
    wanted: ['i32', [R]],
    starts: ['i32', [B + 1]],
    keyStarts: ['i32', [B + 1]],
    first: ['i32', [B]],
    lengths: ['i32', [B]],
    tables: ['i32', [B, W]],
    settings: ['f32', [R, drawSettings]],
    /** Of the drafts, whose draw is the next place's. */
    draftSettings: ['f32', [R, drawSettings]],
    editStarts: ['i32', [R + 1]],
    editIds: ['i32', [M]],
    editScales: ['f32', [M]],
    editAdds: ['f32', [M]],
  } as const satisfies Record<string, readonly ['i32' | 'f32', readonly number[]]>;
}

type Section = keyof ReturnType<typeof stepSections>;

const sizeOf = (shape: readonly number[]) => shape.reduce((size, n) => size * n, 1);

/** 4-byte numbers of a frame. */
export function stepInputsSize(shape: StepShape): number {
  return Object.values(stepSections(shape)).reduce((sum, [, dimensions]) => sum + sizeOf(dimensions), 0);
}

/** Views of a frame [frameSize] i32 on the device. */
export function viewStepInputs(shape: StepShape, frame: Tensor): Record<Section, Tensor> {
  let from = 0;
  const views = Object.entries(stepSections(shape)).map(([name, [dtype, dimensions]]) => {
    const section = narrow(frame, from, sizeOf(dimensions));
    from += section.size;
    if (dtype === 'i32') return [name, reshape(section, dimensions)];
    return [name, new Tensor(section.storage.retain(), section.offsetBytes, dimensions, dtype)];
  });
  return Object.fromEntries(views);
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

/** The shape that holds these runs exactly. */
export function exactShape(runs: readonly ScheduledChunk[], readsBack: boolean): Omit<StepShape, 'edits'> {
  const lengths = runs.map(({ ids }) => ids.length);
  const ends = runs.map(({ from, ids }) => from + ids.length);
  return {
    chunks: runs.length,
    rows: sum(lengths),
    maxChunkRows: Math.max(...lengths),
    isFixed: false,
    tableWidth: Math.max(...ends.map((end) => Math.ceil(end / blockTokens))),
    sampledRows: sum(runs.map(({ ids, sampleFrom }) => ids.length - sampleFrom)),
    keys: readsBack ? sum(ends) : 0,
  };
}

/** Sections of a frame being written, as typed arrays over one buffer. */
class StepInputsWriter {
  readonly frame: Int32Array;
  readonly #at = new Map<string, Int32Array | Float32Array>();

  constructor(shape: StepShape) {
    this.frame = new Int32Array(stepInputsSize(shape));
    let from = 0;
    for (const [name, [dtype, dimensions]] of Object.entries(stepSections(shape))) {
      const [offset, length] = [4 * from, sizeOf(dimensions)];
      const { buffer } = this.frame;
      this.#at.set(
        name,
        dtype === 'i32' ? new Int32Array(buffer, offset, length) : new Float32Array(buffer, offset, length),
      );
      from += length;
    }
  }

  at(name: Section): Int32Array | Float32Array {
    return this.#at.get(name) as Int32Array | Float32Array;
  }
}

/** Edits of the logits of all wanted rows, in their order; row r's end at ends[r]. */
export interface StepLogitEdits extends LogitEditArrays {
  readonly ends: readonly number[];
}

/** What penalties, biases and forced tokens make of the logits of the wanted rows; `rowsEach` as in a fixed shape. */
export function collectLogitEdits(runs: readonly ScheduledChunk[], rowsEach: number | null): StepLogitEdits {
  const most = sum(
    runs.map(({ sequence, ids, sampleFrom }) => (ids.length - sampleFrom) * (sequence.logitsProcessor.length + 2)),
  );
  const arrays = { ids: new Int32Array(most), scales: new Float32Array(most), adds: new Float32Array(most) };
  const ends: number[] = [];
  let at = 0;
  for (const { sequence, ids, sampleFrom } of runs) {
    const { logitsProcessor, listener } = sequence;
    for (let row = sampleFrom; row < (rowsEach ?? ids.length); row++) {
      const forced = row === sampleFrom ? listener.forcedToken() : null;
      if (forced !== null) {
        arrays.ids[at] = forced;
        arrays.scales[at] = 1;
        arrays.adds[at++] = Number.POSITIVE_INFINITY;
      } else if (row < ids.length) {
        const guessed = ids.subarray(sampleFrom + 1, row + 1);
        for (const id of guessed) logitsProcessor.push(id);
        at = logitsProcessor.write(arrays, at);
        for (const id of guessed) logitsProcessor.pop(id);
      }
      ends.push(at);
    }
  }
  const whole = { ids: arrays.ids.subarray(0, at), scales: arrays.scales.subarray(0, at) };
  return { ...whole, adds: arrays.adds.subarray(0, at), ends };
}

/** Writes runs and the edits of their wanted rows into a frame. */
export function writeStepInputs(shape: StepShape, runs: readonly ScheduledChunk[], edits: StepLogitEdits): Int32Array {
  const writer = new StepInputsWriter(shape);
  let [row, wanted, key] = [0, 0, 0];
  for (let b = 0; b < shape.chunks; b++) {
    const isCopy = b >= runs.length;
    const { sequence, from, ids, sampleFrom } = runs[isCopy ? 0 : b];
    const rows = shape.isFixed ? shape.maxChunkRows : ids.length;
    writer.at('starts')[b] = row;
    writer.at('keyStarts')[b] = key;
    writer.at('first')[b] = from;
    writer.at('lengths')[b] = from + rows;
    writer.at('tables').set(sequence.blocks.slice(0, shape.tableWidth), b * shape.tableWidth);
    for (let i = 0; i < rows; i++, row++) {
      const p = from + i;
      const isReal = !isCopy && i < ids.length;
      const slot = sequence.blocks[Math.floor(p / blockTokens)] * blockTokens + (p % blockTokens);
      writer.at('ids')[row] = ids[Math.min(i, ids.length - 1)];
      writer.at('positions')[row] = p;
      writer.at('slots')[row] = isReal ? slot : -1;
      writer.at('ahead')[row] = p + 1 < sequence.length ? sequence.token(p + 1) : -1;
      if (i < sampleFrom) continue;
      const { temperature, topK, topP, minP, seed } = sequence.options.sampling;
      const own = isReal ? [temperature, topK, topP, minP] : [0, 0, 1, 0];
      writer.at('settings').set([...own, uniformAt(seed, p + 1)], wanted * drawSettings);
      writer.at('draftSettings').set([...own, uniformAt(seed, p + 2)], wanted * drawSettings);
      writer.at('wanted')[wanted++] = row;
    }
    key += from + rows;
  }
  writer.at('starts')[shape.chunks] = row;
  writer.at('keyStarts')[shape.chunks] = key;
  for (let r = 0; r < shape.sampledRows; r++) writer.at('editStarts')[r + 1] = edits.ends[r] ?? edits.ids.length;
  writer.at('editIds').set(edits.ids);
  writer.at('editScales').set(edits.scales);
  writer.at('editAdds').set(edits.adds);
  return writer.frame;
}

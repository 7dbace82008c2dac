// Opens a ready checkpoint (ready-format.ts): mapped where the device can, without a pass over its bytes.
//
// Contract: the weights equal those it was written from, to the bit. A device that cannot map files reads them; one
// whose panels lie differently repacks them, which is slower and reported by a notice. A file that is short, damaged or
// of another version is refused by its header.
import { join } from 'node:path';
import {
  type Buffer,
  groupBlockBytes,
  groupSize,
  isSameLayout,
  type Mapping,
  unpackedBytes,
  unpackPanels,
  weightStride,
} from '../../kernels/index.ts';
import {
  currentDevice,
  keep,
  type PackableFormat,
  PackedWeight,
  packBlocks,
  packCodes,
  packWeight,
  scope,
  tensorOver,
  type Weight,
  weightSizes,
} from '../../tensor/index.ts';
import {
  type PackedShape,
  plainNames,
  readContents,
  readyAlignment,
  readyFile,
  scaleShape,
  scalesName,
  toPanelFormat,
} from './ready-format.ts';
import { openSafetensors, type SafetensorsEntry, type SafetensorsFile } from './safetensors.ts';
import { findEntry, storedWidths, type TensorSource } from './source.ts';

export interface ReadyCheckpoint extends TensorSource {
  /** The format that the model was packed in. */
  readonly format: PackableFormat;
  /** Loads the weights of the serving model onto the current device; the caller disposes them. */
  weights(options?: ReadyWeightsOptions): Promise<Map<string, Weight>>;
}

export interface ReadyWeightsOptions {
  readonly progress?: (done: number, total: number) => void;
  /** Called with the reason when opening takes longer than necessary. */
  readonly notice?: (text: string) => void;
}

/** Opens the ready checkpoint of a folder. Throws CheckpointError for a file that is not one, or not whole. */
export async function openReady(folder: string): Promise<ReadyCheckpoint> {
  const path = join(folder, readyFile);
  const file = await openSafetensors(path);
  try {
    const contents = readContents(file, path);
    return {
      entries: file.entries,
      read: file.read,
      close: file.close,
      format: contents.format,
      weights: (options) => new ReadyLoader(file, path, contents).load(options),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

const pieceBytes = 64 * 2 ** 20;

class ReadyLoader {
  readonly #device = currentDevice();
  readonly #file: SafetensorsFile;
  readonly #path: string;
  readonly #contents: ReturnType<typeof readContents>;
  #mapping: Mapping | null = null;

  constructor(file: SafetensorsFile, path: string, contents: ReturnType<typeof readContents>) {
    this.#file = file;
    this.#path = path;
    this.#contents = contents;
  }

  async load({ progress, notice }: ReadyWeightsOptions = {}): Promise<Map<string, Weight>> {
    const weights = new Map<string, Weight>();
    const names = [...this.#contents.packed.keys(), ...plainNames(this.#file, this.#contents)];
    this.#mapping = this.#device.map(this.#file.fd, this.#file.size);
    if (![...this.#contents.packed.values()].every(({ format }) => this.#fits(format))) notice?.(this.#repackNotice());
    try {
      for (const [i, name] of names.entries()) {
        weights.set(name, await this.#weight(name));
        progress?.(i + 1, names.length);
      }
      return weights;
    } catch (error) {
      for (const weight of weights.values()) weight.dispose();
      throw error;
    } finally {
      this.#mapping?.close();
    }
  }

  /** Whether the panels of a format lie as this device reads them. */
  #fits(format: PackableFormat): boolean {
    return isSameLayout(toPanelFormat(format), this.#device.panelLayout, this.#contents.layout);
  }

  #repackNotice(): string {
    const { layout, format } = this.#contents;
    const { isa, panelLayout: own } = this.#device;
    return (
      `${this.#path} has panels of ${layout.width} columns in ${layout.order}, ${isa} reads ${own.width} in ` +
      `${own.order}: repacked while loading; to open at once, convert on this machine: ` +
      `minke convert MODEL FOLDER --ready --dtype ${format}`
    );
  }

  async #weight(name: string): Promise<Weight> {
    const packed = this.#contents.packed.get(name);
    if (packed === undefined) {
      const { type, shape } = findEntry(this.#file.entries, name, this.#path);
      return keep(tensorOver(await this.#buffer(name), shape, type === 'BF16' ? 'bf16' : 'f32'));
    }
    if (!this.#fits(packed.format)) return this.#repack(name, packed);
    const buffers: Buffer[] = [];
    try {
      for (const part of packed.format === 'fp8' ? [name, scalesName(name)] : [name])
        buffers.push(await this.#buffer(part));
    } catch (error) {
      for (const buffer of buffers) buffer.free();
      throw error;
    }
    const [panels, scales = null] = buffers as [Buffer, Buffer | undefined];
    return keep(new PackedWeight(packed.format, packed.shape, panels, scales));
  }

  /** Returns the bytes of an entry in device memory: mapped from the file, else a copy. */
  async #buffer(name: string): Promise<Buffer> {
    const { type, begin, end } = findEntry<SafetensorsEntry>(this.#file.entries, name, this.#path);
    const place = this.#file.dataStart + begin;
    const bytes = end - begin;
    if (this.#mapping && place % readyAlignment === 0) return this.#mapping.cut(place, bytes);
    return this.#allocate(bytes, async (buffer) => {
      const width = storedWidths[type];
      for (let at = 0; at < bytes; at += pieceBytes) {
        const range = { offset: at / width, length: Math.min(pieceBytes, bytes - at) / width };
        this.#device.write(buffer, (await this.#file.read(name, range)) as Uint8Array<ArrayBuffer>, at);
      }
    });
  }

  async #allocate(bytes: number, fill: (buffer: Buffer) => Promise<void>): Promise<Buffer> {
    const buffer = this.#device.alloc(bytes, 'openReady');
    try {
      await fill(buffer);
      return buffer;
    } catch (error) {
      buffer.free();
      throw error;
    }
  }

  async #repack(name: string, packed: PackedShape): Promise<PackedWeight> {
    const { format, shape } = packed;
    const [groups, n, k] = weightSizes(shape);
    const own = toPanelFormat(format);
    const { layout } = this.#contents;
    const [stored, rowBytes] = [weightStride(own, n, k, layout), unpackedBytes(own, n, k)];
    const rows = await this.#allocate(groups * rowBytes, async (buffer) => {
      for (let group = 0; group < groups; group++) {
        const panels = await this.#file.read(name, { offset: group * stored, length: stored });
        this.#device.write(
          buffer,
          unpackPanels(panels, own, n, k, layout) as Uint8Array<ArrayBuffer>,
          group * rowBytes,
        );
      }
    });
    const scales = format === 'fp8' ? await this.#buffer(scalesName(name)) : null;
    return scope(() => {
      if (own === 'int8' || own === 'int4')
        return keep(
          packBlocks(tensorOver(rows, [...shape.slice(0, -1), (k / groupSize) * groupBlockBytes[own]], 'u8'), own),
        );
      const whole = tensorOver(rows, shape, own);
      if (scales === null) return keep(packWeight(whole, format));
      return keep(packCodes({ codes: whole, scales: tensorOver(scales, scaleShape(shape), 'f32') }));
    });
  }
}

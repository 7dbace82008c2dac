// The safetensors format (github.com/huggingface/safetensors, "Format"): 8 bytes of header length, JSON, then bytes.
//
// Contract of the reader: everything that the header claims is checked against the file before any tensor is read:
// length, unique names, known formats, whole shapes, offsets that follow each other without gap or overlap and end with
// the file. Nothing is allocated beyond the header's own bytes. The writer puts the widest formats first, so that all
// are aligned, and asks for tensors in the given order.
import { showValue } from '../errors.ts';
import { countElements } from '../parameters.ts';
import { opened, writeWhole } from './binary-file.ts';
import { CheckpointError } from './errors.ts';
import {
  findEntry,
  type PlainType,
  resolveRange,
  storedWidths,
  type TensorEntry,
  type TensorSource,
} from './source.ts';

/** DeepSeek-V3 in one file would have a header of 12 MB and 91,991 tensors. */
const maxHeaderBytes = 2 ** 24;
const maxTensors = 2 ** 17;
const maxNameLength = 2 ** 12;
/** A header nests three deep. */
const maxDepth = 8;

export interface SafetensorsEntry extends TensorEntry {
  readonly type: PlainType;
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  /** The offset of the first tensor in the file. */
  readonly dataStart: number;
}

const remedy = 'the file is damaged or not a safetensors file: fetch or write it again';

function refuse(file: string, problem: string): never {
  throw new CheckpointError(file, problem, remedy);
}

const codes = { quote: 34, colon: 58, backslash: 92, open: [91, 123], close: [93, 125] };

/** Returns the index after the string that begins at a quote. */
function skipString(json: string, from: number): number {
  for (let at = json.indexOf('"', from + 1); at >= 0; at = json.indexOf('"', at + 1)) {
    let before = at - 1;
    while (json.charCodeAt(before) === codes.backslash) before--;
    if ((at - before) % 2 === 1) return at + 1;
  }
  return json.length;
}

/**
 * Lists the keys of the outermost object as they are written; JSON.parse would keep the last of equal ones. Refuses too
 * many before anything is parsed.
 */
function outerKeys(json: string, file: string): string[] {
  const keys: string[] = [];
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (codes.open.includes(code) && ++depth > maxDepth) refuse(file, `the header nests more than ${maxDepth} deep`);
    else if (codes.close.includes(code)) depth--;
    else if (code === codes.quote) {
      const end = skipString(json, at);
      let next = end;
      while (json.charCodeAt(next) <= 32) next++;
      if (depth === 1 && json.charCodeAt(next) === codes.colon) keys.push(json.slice(at, end));
      if (end - at > maxNameLength && depth === 1) refuse(file, `the header has a name of ${end - at - 2} characters`);
      if (keys.length > maxTensors) refuse(file, `the header has more than ${maxTensors} tensors`);
      at = end - 1;
    }
  }
  return keys;
}

function parseJson(text: string, file: string): Record<string, unknown> {
  const keys = outerKeys(text, file);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return refuse(file, `the header is not JSON (${(error as Error).message})`);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    return refuse(file, 'the header is not a JSON object');
  const seen = new Set<string>();
  for (const key of keys.map((written): string => JSON.parse(written))) {
    if (seen.has(key)) refuse(file, `${key}: appears twice in the header`);
    seen.add(key);
  }
  return json as Record<string, unknown>;
}

const isCount = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;

function parseEntry(name: string, value: unknown, file: string): SafetensorsEntry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  if (typeof dtype !== 'string' || !Object.hasOwn(storedWidths, dtype))
    refuse(file, `${name}: expected a dtype of ${Object.keys(storedWidths).join(', ')}, received ${showValue(dtype)}`);
  if (!(Array.isArray(shape) && shape.every(isCount)))
    refuse(file, `${name}: expected a shape of whole numbers, received ${showValue(shape)}`);
  if (!(Array.isArray(offsets) && offsets.length === 2 && offsets.every(isCount)))
    refuse(file, `${name}: expected two data_offsets, received ${showValue(offsets)}`);
  const type = dtype as PlainType;
  const [begin, end] = offsets as [number, number];
  const width = storedWidths[type];
  const bytes = shape.reduce((product, n) => product * n, width);
  if (!Number.isSafeInteger(bytes) || bytes !== end - begin)
    refuse(
      file,
      `${name}: ${type} [${shape}] takes ${bytes} bytes, its data_offsets ${begin} to ${end} hold ${end - begin}`,
    );
  if (begin % width !== 0)
    refuse(file, `${name}: starts at ${begin}, which is not a multiple of its format's ${width} bytes`);
  return { name, type, shape: shape, file, begin, end };
}

function checkPlaces(entries: readonly SafetensorsEntry[], dataBytes: number, file: string): void {
  const order = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let end = 0;
  let before = 'the header';
  for (const entry of order) {
    if (entry.end > dataBytes) refuse(file, `${entry.name}: ends ${entry.end - dataBytes} bytes beyond the file`);
    if (entry.begin < end) refuse(file, `${entry.name}: overlaps ${before}`);
    if (entry.begin > end) refuse(file, `${entry.name}: ${entry.begin - end} bytes before it are unused`);
    end = entry.end;
    before = entry.name;
  }
  if (end !== dataBytes) refuse(file, `${dataBytes - end} bytes after the last tensor belong to no tensor`);
}

/** Parses a header and checks it against the size of its file. `bytes`: the header, from the file's ninth byte. */
export function parseHeader(bytes: Uint8Array, fileSize: number, file: string): SafetensorsHeader {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return refuse(file, 'the header is not UTF-8');
  }
  if (!text.startsWith('{')) refuse(file, 'the header does not start with {');
  const { __metadata__: metadata = {}, ...tensors } = parseJson(text, file);
  const isText = (value: unknown) => typeof value === 'string';
  if (typeof metadata !== 'object' || metadata === null || !Object.values(metadata).every(isText))
    refuse(file, '__metadata__: expected texts by name');
  const entries = Object.entries(tensors).map(([name, value]) => parseEntry(name, value, file));
  const dataStart = 8 + bytes.length;
  checkPlaces(entries, fileSize - dataStart, file);
  return {
    entries: new Map(entries.map((entry) => [entry.name, entry])),
    metadata: metadata as Record<string, string>,
    dataStart,
  };
}

/** An open file, with the places of its tensors. */
export interface SafetensorsFile extends TensorSource, SafetensorsHeader {
  readonly entries: SafetensorsHeader['entries'];
  readonly fd: number;
  readonly size: number;
}

/** Opens one safetensors file. */
export function openSafetensors(path: string): Promise<SafetensorsFile> {
  return opened(path, async (file) => {
    if (file.size < 8) refuse(path, `has ${file.size} bytes, too few for a header`);
    const first = await file.read(0, 8);
    const headerBytes = Number(new DataView(first.buffer).getBigUint64(0, true));
    if (headerBytes > maxHeaderBytes || 8 + headerBytes > file.size)
      refuse(path, `claims a header of ${headerBytes} bytes; it has ${file.size}, and ${maxHeaderBytes} are allowed`);
    const header = parseHeader(await file.read(8, headerBytes), file.size, path);
    const { entries, dataStart } = header;
    return {
      ...header,
      fd: file.fd,
      size: file.size,
      read: async (name, range) => {
        const entry = findEntry(entries, name, path);
        const { offset, length } = resolveRange(entry, range);
        const width = storedWidths[entry.type];
        return file.read(dataStart + entry.begin + offset * width, length * width);
      },
      close: () => file.close(),
    };
  });
}

/** A tensor to be written; `bytes` is called when its turn comes. */
export interface TensorToWrite {
  readonly name: string;
  readonly type: PlainType;
  readonly shape: readonly number[];
  readonly bytes: () => Uint8Array | Promise<Uint8Array>;
}

export function byteLength({ type, shape }: Pick<TensorToWrite, 'type' | 'shape'>): number {
  return storedWidths[type] * countElements(shape);
}

/** Assigns each tensor its offset after the header, the widest formats first. */
function layOut(tensors: readonly TensorToWrite[]): Map<TensorToWrite, number> {
  const places = new Map<TensorToWrite, number>();
  let at = 0;
  for (const tensor of [...tensors].sort((a, b) => storedWidths[b.type] - storedWidths[a.type])) {
    places.set(tensor, at);
    at += byteLength(tensor);
  }
  return places;
}

/** Encodes a header with its length, padded with spaces to `bytes`. @default bytes: as few as it needs */
export function encodeHeader(
  tensors: Iterable<Omit<SafetensorsEntry, 'file'>>,
  metadata: Readonly<Record<string, string>>,
  bytes?: number,
): Uint8Array {
  const fields = [...tensors].map(({ name, type, shape, begin, end }) => {
    return [name, { dtype: type, shape, data_offsets: [begin, end] }];
  });
  const text = new TextEncoder().encode(JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(fields) }));
  const header = new Uint8Array(bytes ?? 8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(text, 8);
  return header;
}

/** Writes one file; `written` is called with each tensor's bytes. */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  written: (bytes: number) => void = () => undefined,
): Promise<void> {
  const places = layOut(tensors);
  const placed = [...places].map(([tensor, begin]) => ({ ...tensor, begin, end: begin + byteLength(tensor) }));
  const header = encodeHeader(placed, { format: 'pt' });
  await writeWhole(path, async (write) => {
    await write(header, 0);
    for (const tensor of tensors) {
      const bytes = await tensor.bytes();
      const expected = byteLength(tensor);
      if (bytes.length !== expected)
        throw new CheckpointError(
          path,
          `${tensor.name}: expected ${expected} bytes, received ${bytes.length}`,
          'report it',
        );
      await write(bytes, header.length + (places.get(tensor) as number));
      written(bytes.length);
    }
  });
}

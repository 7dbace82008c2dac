// Which files of a repository a model needs: safetensors, or one GGUF file with its shards; its configuration and its
// tokenizer. The same choice is made from a hub's list and from what the cache holds.
//
// PyTorch's pickles are never chosen: reading one can run a program.
import { formatSize } from '../math/index.ts';
import { HubError } from './errors.ts';
import { formatModelName, type ModelName } from './model-name.ts';

export interface ListedFile {
  readonly path: string;
  readonly size: number;
}

export interface ModelFiles<File extends ListedFile> {
  /** The path inside the snapshot that opens the model: a GGUF file, or '' for the whole folder. */
  readonly entry: string;
  /** The format of its weights, as in Q4_K_M; safetensors otherwise. */
  readonly format: string;
  /** Weights and everything else that it needs. */
  readonly files: readonly File[];
}

export const indexFile = 'model.safetensors.index.json';
const singleFile = 'model.safetensors';
/** Larger files that are no weights are no configuration either. */
const maxSmallBytes = 128 * 2 ** 20;

const isSmall = ({ path, size }: ListedFile) =>
  size <= maxSmallBytes &&
  (/^[\w.-]+\.(json|txt|model|jinja|tiktoken)$/.test(path) || /^LICENSE[\w.-]*$/.test(path)) &&
  !/\.index\.json$/.test(path);

/** Returns what a model needs besides its weights. */
export function smallFiles<File extends ListedFile>(files: readonly File[]): File[] {
  return files.filter(isSmall);
}

/** A GGUF model in one file or several. */
interface GgufGroup<File extends ListedFile> {
  readonly entry: string;
  readonly format: string;
  readonly files: readonly File[];
  readonly shards: number;
}

const shardPattern = /-(\d{5})-of-(\d{5})\.gguf$/i;
const formatPattern = /(?:^|[-._/])((?:UD-)?(?:IQ|TQ|Q)\d\w*|(?:MX|NV)FP4\w*|BF16|F16|F32|FP16|FP8)(?=[-._/]|$)/gi;

/** Returns the format that a file's name ends with; null where it names none. */
function findFormat(path: string): string | null {
  const found = [
    ...path
      .replace(shardPattern, '')
      .replace(/\.gguf$/i, '')
      .matchAll(formatPattern),
  ];
  return found.at(-1)?.[1].toUpperCase() ?? null;
}

/** Groups the GGUF files that are models: not projectors of images, not importance matrices. */
export function listGguf<File extends ListedFile>(files: readonly File[]): GgufGroup<File>[] {
  const groups = new Map<string, { shards: number; files: File[] }>();
  for (const file of files) {
    if (!/\.gguf$/i.test(file.path) || /(^|\/)mmproj|imatrix/i.test(file.path)) continue;
    const [, , shards = '1'] = shardPattern.exec(file.path) ?? [];
    const key = `${file.path.replace(shardPattern, '')} ${shards}`;
    const group = groups.get(key) ?? { shards: Number(shards), files: [] };
    groups.set(key, group);
    group.files.push(file);
  }
  return [...groups.values()].map((group) => {
    const sorted = group.files.sort((a, b) => (a.path < b.path ? -1 : 1));
    const entry = sorted[0].path;
    return { entry, format: findFormat(entry) ?? entry, files: sorted, shards: group.shards };
  });
}

export const isWhole = <File extends ListedFile>({ files, shards }: GgufGroup<File>) => files.length === shards;

/** The formats that are taken where none is named, the first that is there. */
const preferred = ['Q4_K_M', 'Q4_K_L', 'Q4_K_S', 'Q4_0', 'Q4_1', 'IQ4_NL', 'IQ4_XS', 'Q5_K_M', 'Q6_K', 'Q8_0'];

const bytes = (files: readonly ListedFile[]) => files.reduce((total, { size }) => total + size, 0);

function chooseGguf<File extends ListedFile>(name: ModelName, groups: readonly GgufGroup<File>[]): GgufGroup<File> {
  const { format } = name;
  const list = groups.map((group) => `${group.format} (${formatSize(bytes(group.files))})`).join(', ');
  const wanted = format === null ? preferred : [format.toUpperCase()];
  const chosen =
    groups.find(({ entry }) => entry === format) ??
    wanted.map((each) => groups.find((group) => group.format.toUpperCase() === each)).find((each) => each) ??
    groups.find((group) => format !== null && group.format.endsWith(`-${format.toUpperCase()}`)) ??
    (groups.length === 1 && format === null ? groups[0] : undefined);
  if (chosen === undefined && format !== null)
    throw new HubError(formatModelName(name), `has no GGUF file of format ${format}`, `there are ${list}`);
  if (chosen === undefined)
    throw new HubError(
      formatModelName(name),
      `has several GGUF files: ${list}`,
      `name one, as in ${formatModelName({ ...name, format: groups[0].format })}`,
    );
  if (!isWhole(chosen))
    throw new HubError(
      formatModelName(name),
      `${chosen.entry} is one of ${chosen.shards} files, of which ${chosen.files.length} are there`,
      'choose another format',
    );
  return chosen;
}

/** Says why a repository has no weights that minke reads. */
function refuse(name: ModelName, files: readonly ListedFile[]): HubError {
  const where = formatModelName(name);
  const has = (pattern: RegExp) => files.find(({ path }) => pattern.test(path))?.path;
  const adapter = has(/^adapter_model\.(safetensors|bin)$/);
  if (adapter)
    return new HubError(where, `holds an adapter (${adapter}), not a whole model`, 'name the model it adapts');
  const pickle = has(/\.(bin|pth?|ckpt|pkl)$/);
  if (pickle)
    return new HubError(
      where,
      `has its weights only as PyTorch pickles (${pickle}), which can run programs when they are read`,
      'choose a repository with safetensors or GGUF files',
    );
  const other = has(/\.(onnx|tflite|h5|msgpack|mlmodel|safetensors)$/);
  return new HubError(
    where,
    `has no model.safetensors and no GGUF file${other ? `, only such as ${other}` : ''}`,
    'choose a repository that has',
  );
}

/**
 * Chooses the files of a model. `readIndex` returns the names of the shards, and is called where there is an index.
 * Throws HubError with what there is where nothing can be chosen.
 */
export async function chooseFiles<File extends ListedFile>(
  name: ModelName,
  files: readonly File[],
  readIndex: (index: File) => Promise<readonly string[]>,
): Promise<ModelFiles<File>> {
  const small = smallFiles(files);
  const groups = listGguf(files);
  const index = files.find(({ path }) => path === indexFile);
  const single = files.find(({ path }) => path === singleFile);
  if (name.format === null && single) return { entry: '', format: 'safetensors', files: [...small, single] };
  if (name.format === null && index) {
    const shards = await readIndex(index);
    const found = files.filter(({ path }) => shards.includes(path));
    if (found.length < shards.length) {
      const missing = shards.find((shard) => !files.some(({ path }) => path === shard));
      throw new HubError(
        formatModelName(name),
        `its index names ${missing}, which is not there`,
        'choose another model',
      );
    }
    return { entry: '', format: 'safetensors', files: [...small, index, ...found] };
  }
  if (groups.length > 0) {
    const { entry, format, files: chosen } = chooseGguf(name, groups);
    return { entry, format, files: [...small, ...chosen] };
  }
  if (name.format !== null && (single || index))
    throw new HubError(
      formatModelName(name),
      'has no GGUF files',
      `leave :${name.format} out, or name a repository that has them, often ${name.id}-GGUF of someone else`,
    );
  throw refuse(name, files);
}

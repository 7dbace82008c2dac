// Names of models on a hub: ORG/NAME, ORG/NAME@REVISION, ORG/NAME:FORMAT for one GGUF file of several.
//
// A name may begin with hf.co/ or https://huggingface.co/, as it is copied from a browser.

export interface ModelName {
  /** ORG/NAME. */
  readonly id: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
  /** The format of a GGUF file, such as Q4_K_M, or its path; null: the choice is ours. */
  readonly format: string | null;
}

export const defaultRevision = 'main';

const part = '([A-Za-z0-9][\\w.-]{0,95})';
const suffix = '([A-Za-z0-9][\\w./-]{0,199})';
const pattern = new RegExp(`^${part}/${part}(?:@${suffix})?(?::${suffix})?$`);
const address = /^(?:https:\/\/)?(?:hf\.co|huggingface\.co)\//;
const isFile = /\.(gguf|json|safetensors|bin|pth?|ts|m?js)$/i;

/** Whether each part of a path is the name of something inside a folder. */
export function isSafePath(path: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  return path.split('/').every((part) => !/^\.{0,2}$|[\\:\u0000-\u001f]/.test(part) && Buffer.byteLength(part) <= 255);
}

/** Parses the name of a model; null where a text is none, such as a path. */
export function parseModelName(text: string): ModelName | null {
  const [, org, name, revision = defaultRevision, format = null] = pattern.exec(text.replace(address, '')) ?? [];
  if (org === undefined || name === undefined) return null;
  if (format === null && isFile.test(text)) return null;
  const isPlain = [org, name].every((part) => !/--|\.\.|[.-]$/.test(part));
  return isPlain && isSafePath(revision) && isSafePath(format ?? 'any')
    ? { id: `${org}/${name}`, revision, format }
    : null;
}

/** Writes a name as it is typed. */
export function formatModelName({ id, revision, format }: ModelName): string {
  return `${id}${revision === defaultRevision ? '' : `@${revision}`}${format === null ? '' : `:${format}`}`;
}

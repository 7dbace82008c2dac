// The tokenizer files of a checkpoint: tokenizer.json, tokenizer_config.json and perhaps chat_template.jinja. The
// tokens that end a generation come from generation_config.json or config.json.
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FileError, nestingDepth, readTextFile } from '../untrusted/index.ts';
import { ChatTemplate, readChatTemplate, readSpecialTokens } from './chat-template.ts';
import { TokenizerError } from './errors.ts';
import { Tokenizer } from './tokenizer.ts';
import { readAffixes, type TokenizerJson } from './tokenizer-json.ts';

type JsonObject = Readonly<Record<string, unknown>>;

export interface LoadedTokenizer {
  readonly tokenizer: Tokenizer;
  /** bos_token, eos_token and so on, as texts. */
  readonly specialTokens: Readonly<Record<string, string>>;
  readonly bosId: number | null;
  readonly padId: number | null;
  /** The ids that end a generation; empty if no file names one. */
  readonly eosIds: readonly number[];
  readonly chatTemplate: ChatTemplate | null;
  /** The bytes of tokenizer.json, where it was read from a file. */
  readonly file?: Uint8Array;
}

/** A tokenizer as data, from which another process opens the same one. */
export interface PackedTokenizer extends Omit<LoadedTokenizer, 'tokenizer' | 'chatTemplate' | 'file'> {
  readonly file: Uint8Array;
  /** What loading changed in the file. */
  readonly postProcessor: unknown;
  readonly source: string;
  readonly template: { readonly text: string; readonly source: string } | null;
}

/** Packs a tokenizer; quick where it was read from a file. */
export function packTokenizer({ tokenizer, chatTemplate, file, ...rest }: LoadedTokenizer): PackedTokenizer {
  return {
    ...rest,
    file: file ?? Buffer.from(JSON.stringify(tokenizer.json)),
    postProcessor: tokenizer.json.post_processor,
    source: tokenizer.source,
    template: chatTemplate && { text: chatTemplate.text, source: chatTemplate.source },
  };
}

export function unpackTokenizer({ file, postProcessor, source, template, ...rest }: PackedTokenizer): LoadedTokenizer {
  const json: TokenizerJson = JSON.parse(Buffer.from(file).toString('utf8'));
  return {
    ...rest,
    tokenizer: new Tokenizer({ ...json, post_processor: postProcessor }, source),
    chatTemplate: template && new ChatTemplate(template.text, rest.specialTokens, template.source),
  };
}

/** Larger files are refused: V3's has 8 MB, Gemma 3's 33 MB. */
const maxFileBytes = 2 ** 27;
/** Real files are 8 levels deep. */
const maxDepth = 64;

function readText(path: string): string {
  try {
    const text = readTextFile(path, { maxBytes: maxFileBytes, followsLinks: true }); // downloads are links into a cache
    if (text !== null) return text;
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    throw new TokenizerError(path, error.problem, error.remedy);
  }
  throw new TokenizerError(path, 'cannot be read (ENOENT)', 'check the folder');
}

function readObject(path: string, text = readText(path)): Record<string, unknown> {
  const refuse = (problem: string) => new TokenizerError(path, problem, 'fetch or write it again');
  if (nestingDepth(text) > maxDepth) throw refuse(`is nested deeper than ${maxDepth} levels`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw refuse(`is not JSON (${(error as Error).message.slice(0, 200)})`);
  }
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  throw refuse('contains no JSON object');
}

/** Returns the ids of the tokens that tokenizer_config.json names. */
function idsByName(tokenizer: Tokenizer, special: Readonly<Record<string, string>>, path: string): Map<string, number> {
  return new Map(
    Object.entries(special).map(([name, text]): [string, number] => {
      const id = tokenizer.tokenToId(text);
      if (id === undefined)
        throw new TokenizerError(
          path,
          `${name} ${JSON.stringify(text)} is not a token of tokenizer.json`,
          'take both files from the same checkpoint',
        );
      return [name, id];
    }),
  );
}

/** Finds the id of a token in the file itself, which is not checked yet. */
function findId(json: TokenizerJson, text: string): number | undefined {
  const added = Array.isArray(json.added_tokens) ? json.added_tokens.find((token) => token?.content === text) : null;
  const { vocab } = (json.model ?? {}) as { vocab?: Readonly<Record<string, number>> | null };
  return added?.id ?? (Object.hasOwn(vocab ?? {}, text) ? vocab?.[text] : undefined);
}

/** Writes `add_bos_token` and `add_eos_token` into the post-processor, as transformers does. */
function withSpecialTokens(json: TokenizerJson, config: JsonObject, path: string): TokenizerJson {
  const { before, after } = readAffixes(json.post_processor, path);
  if (before.length + after.length > 0) return json; // the file adds tokens itself
  const special = readSpecialTokens(config);
  const steps = (flag: string, name: string): { SpecialToken: { id: string; type_id: number } }[] => {
    if (config[flag] !== true) return [];
    const text = special[name];
    if (text === undefined || findId(json, text) === undefined)
      throw new TokenizerError(
        path,
        `${flag}: expected a ${name} that is a token of tokenizer.json, received ${JSON.stringify(text)}`,
        `name the ${name}, or set ${flag} to false`,
      );
    return [{ SpecialToken: { id: text, type_id: 0 } }];
  };
  const [bos, eos] = [steps('add_bos_token', 'bos_token'), steps('add_eos_token', 'eos_token')];
  if (bos.length + eos.length === 0) return json;
  const [first, second] = ['A', 'B'].map((id, type_id) => [...bos, { Sequence: { id, type_id } }, ...eos]);
  const tokens = [...bos, ...eos].map(({ SpecialToken: { id } }) => [
    id,
    { id, ids: [findId(json, id)], tokens: [id] },
  ]);
  return {
    ...json,
    post_processor: {
      type: 'TemplateProcessing',
      single: first,
      pair: [...first, ...second],
      special_tokens: Object.fromEntries(tokens),
    },
  };
}

/** Reads the ids that end a generation from the first file that names any; otherwise eos_token. */
function readEosIds(folder: string, tokenizer: Tokenizer, eosId: number | undefined): number[] {
  for (const file of ['generation_config.json', 'config.json']) {
    const path = join(folder, file);
    if (!existsSync(path)) continue;
    const { eos_token_id: given } = readObject(path);
    if (given === undefined || given === null) continue;
    const ids: unknown[] = Array.isArray(given) ? given : [given];
    for (const id of ids)
      if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= tokenizer.vocabSize)
        throw new TokenizerError(
          path,
          `eos_token_id: expected ids below ${tokenizer.vocabSize}, received ${JSON.stringify(given)}`,
          'take all files from the same checkpoint',
        );
    return ids as number[];
  }
  return eosId === undefined ? [] : [eosId];
}

/** Reads the tokenizer of a checkpoint folder. Throws TokenizerError naming file, field and remedy. */
export function loadTokenizer(folder: string): LoadedTokenizer {
  const path = join(folder, 'tokenizer.json');
  const configPath = join(folder, 'tokenizer_config.json');
  const config = existsSync(configPath) ? readObject(configPath) : {};
  const text = readText(path);
  const tokenizer = new Tokenizer(withSpecialTokens(readObject(path, text), config, configPath), path);
  const specialTokens = readSpecialTokens(config);
  const ids = idsByName(tokenizer, specialTokens, configPath);
  const jinja = join(folder, 'chat_template.jinja');
  const chatTemplate = existsSync(jinja)
    ? new ChatTemplate(readText(jinja), specialTokens, jinja)
    : readChatTemplate(config, configPath);
  const [bosId, padId] = [ids.get('bos_token') ?? null, ids.get('pad_token') ?? null];
  const eosIds = readEosIds(folder, tokenizer, ids.get('eos_token'));
  return { tokenizer, specialTokens, bosId, padId, eosIds, chatTemplate, file: Buffer.from(text) };
}

/** Writes tokenizer.json and tokenizer_config.json for Hugging Face's libraries. */
export function saveTokenizer(folder: string, json: TokenizerJson, config: JsonObject = {}): void {
  mkdirSync(folder, { recursive: true });
  const write = (file: string, value: object) => {
    const path = join(folder, file);
    writeFileSync(`${path}.partial`, `${JSON.stringify(value, null, 2)}\n`);
    renameSync(`${path}.partial`, path);
  };
  write('tokenizer.json', json);
  write('tokenizer_config.json', { tokenizer_class: 'PreTrainedTokenizerFast', ...config });
}

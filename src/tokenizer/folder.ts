// The tokenizer files of a checkpoint: tokenizer.json or tiktoken.model, tokenizer_config.json and perhaps
// chat_template.jinja. The tokens that end a generation come from generation_config.json or config.json.
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FileError, nestingDepth, readTextFile } from '../untrusted/index.ts';
import { ChatTemplate, readChatTemplate, readSpecialTokens } from './chat-template.ts';
import { TokenizerError } from './errors.ts';
import { readTiktoken } from './tiktoken.ts';
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
  /** Tokens for filling in, where the file names them: before the text, between it and the text after, at the end. */
  readonly fillInTokens?: readonly [before: string, hole: string, end: string];
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

interface AffixToken {
  readonly id: number;
  readonly text: string;
}

/** Returns a post_processor that puts tokens before and after a text; null for none. */
export function affixesJson(before: readonly AffixToken[], after: readonly AffixToken[]): object | null {
  if (before.length + after.length === 0) return null;
  const steps = (tokens: readonly AffixToken[], type_id: number) =>
    tokens.map(({ text }) => ({ SpecialToken: { id: text, type_id } }));
  const [single, second] = ['A', 'B'].map((id, type_id) => [
    ...steps(before, type_id),
    { Sequence: { id, type_id } },
    ...steps(after, type_id),
  ]);
  return {
    type: 'TemplateProcessing',
    single,
    pair: [...single, ...second],
    special_tokens: Object.fromEntries(
      [...before, ...after].map(({ id, text }) => [text, { id: text, ids: [id], tokens: [text] }]),
    ),
  };
}

/** Writes `add_bos_token` and `add_eos_token` into the post-processor, as transformers does. */
function withSpecialTokens(json: TokenizerJson, config: JsonObject, path: string): TokenizerJson {
  const { before, after } = readAffixes(json.post_processor, path);
  if (before.length + after.length > 0) return json; // the file adds tokens itself
  const special = readSpecialTokens(config);
  const tokens = (flag: string, name: string): AffixToken[] => {
    if (config[flag] !== true) return [];
    const text = special[name];
    const id = text === undefined ? undefined : findId(json, text);
    if (id !== undefined) return [{ id, text }];
    throw new TokenizerError(
      path,
      `${flag}: expected a ${name} that is a token of tokenizer.json, received ${JSON.stringify(text)}`,
      `name the ${name}, or set ${flag} to false`,
    );
  };
  const own = affixesJson(tokens('add_bos_token', 'bos_token'), tokens('add_eos_token', 'eos_token'));
  return own === null ? json : { ...json, post_processor: own };
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

/** Whether a folder has a tokenizer. */
export const hasTokenizer = (folder: string) =>
  ['tokenizer.json', 'tiktoken.model'].some((file) => existsSync(join(folder, file)));

/** Reads tokenizer.json, or tiktoken.model where a folder has only that. `text`: the bytes of tokenizer.json. */
function readJsonOrTiktoken(folder: string, config: JsonObject) {
  const [path, tiktoken] = [join(folder, 'tokenizer.json'), join(folder, 'tiktoken.model')];
  if (!existsSync(path) && existsSync(tiktoken))
    return { json: readTiktoken(readText(tiktoken), config, tiktoken), source: tiktoken, text: null };
  const text = readText(path);
  return { json: readObject(path, text), source: path, text };
}

/** Reads the tokenizer of a checkpoint folder. Throws TokenizerError naming file, field and remedy. */
export function loadTokenizer(folder: string): LoadedTokenizer {
  const configPath = join(folder, 'tokenizer_config.json');
  const config = existsSync(configPath) ? readObject(configPath) : {};
  const { json, source, text } = readJsonOrTiktoken(folder, config);
  const tokenizer = new Tokenizer(withSpecialTokens(json, config, configPath), source);
  const specialTokens = readSpecialTokens(config);
  const ids = idsByName(tokenizer, specialTokens, configPath);
  const jinja = join(folder, 'chat_template.jinja');
  const chatTemplate = existsSync(jinja)
    ? new ChatTemplate(readText(jinja), specialTokens, jinja)
    : readChatTemplate(config, configPath);
  const [bosId, padId] = [ids.get('bos_token') ?? null, ids.get('pad_token') ?? null];
  const eosIds = readEosIds(folder, tokenizer, ids.get('eos_token'));
  const file = text === null ? {} : { file: Buffer.from(text) };
  return { tokenizer, specialTokens, bosId, padId, eosIds, chatTemplate, ...file };
}

function writeJson(folder: string, file: string, value: object): void {
  const path = join(folder, file);
  writeFileSync(`${path}.partial`, `${JSON.stringify(value, null, 2)}\n`);
  renameSync(`${path}.partial`, path);
}

/** Writes tokenizer.json and tokenizer_config.json for Hugging Face's libraries. */
export function saveTokenizer(folder: string, json: TokenizerJson, config: JsonObject = {}): void {
  mkdirSync(folder, { recursive: true });
  writeJson(folder, 'tokenizer.json', json);
  writeJson(folder, 'tokenizer_config.json', { tokenizer_class: 'PreTrainedTokenizerFast', ...config });
}

/** Writes a tokenizer that was read from another kind of file, with its special tokens, ends and chat template. */
export function saveLoadedTokenizer(folder: string, loaded: LoadedTokenizer): void {
  const { tokenizer, specialTokens, eosIds, chatTemplate } = loaded;
  saveTokenizer(folder, tokenizer.json, {
    ...specialTokens,
    clean_up_tokenization_spaces: false,
    ...(chatTemplate && { chat_template: chatTemplate.text }),
  });
  if (eosIds.length > 0) writeJson(folder, 'generation_config.json', { eos_token_id: eosIds });
}

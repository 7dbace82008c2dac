// A tokenizer as a folder holds it: tokenizer.json, tokenizer_config.json, perhaps chat_template.jinja.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ChatTemplate, chatTemplateOf, specialTokensOf } from './chat-template.ts';
import { TokenizerError } from './errors.ts';
import { Tokenizer, type TokenizerJson } from './tokenizer.ts';

export interface LoadedTokenizer {
  readonly tokenizer: Tokenizer;
  /** bos_token, eos_token and their like. */
  readonly specialTokens: Readonly<Record<string, string>>;
  readonly chatTemplate: ChatTemplate | null;
}

function readObject(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new TokenizerError(path, `cannot be read (${(error as NodeJS.ErrnoException).code})`, 'check the folder');
  }
  try {
    const json = JSON.parse(text);
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json;
  } catch (error) {
    throw new TokenizerError(path, `is no JSON (${(error as Error).message})`, 'fetch or write it again');
  }
  throw new TokenizerError(path, 'holds no JSON object', 'fetch or write it again');
}

/** Reads the tokenizer of a checkpoint folder. Throws TokenizerError naming file, field and remedy. */
export function loadTokenizer(folder: string): LoadedTokenizer {
  const path = join(folder, 'tokenizer.json');
  const tokenizer = new Tokenizer(readObject(path), path);
  const configPath = join(folder, 'tokenizer_config.json');
  const config = existsSync(configPath) ? readObject(configPath) : {};
  const specialTokens = specialTokensOf(config);
  const jinja = join(folder, 'chat_template.jinja');
  const chatTemplate = existsSync(jinja)
    ? new ChatTemplate(readFileSync(jinja, 'utf8'), specialTokens, jinja)
    : chatTemplateOf(config, configPath);
  return { tokenizer, specialTokens, chatTemplate };
}

/** Writes tokenizer.json and tokenizer_config.json as Hugging Face's libraries read them. */
export function saveTokenizer(
  folder: string,
  json: TokenizerJson,
  config: Readonly<Record<string, unknown>> = {},
): void {
  mkdirSync(folder, { recursive: true });
  const write = (file: string, value: object) => {
    const path = join(folder, file);
    writeFileSync(`${path}.partial`, `${JSON.stringify(value, null, 2)}\n`);
    renameSync(`${path}.partial`, path);
  };
  write('tokenizer.json', json);
  write('tokenizer_config.json', { tokenizer_class: 'PreTrainedTokenizerFast', ...config });
}

// tiktoken.model, as Moonlight and Kimi publish it: a token in base64 and its rank on each line.
//
// The file does not say how texts are cut into words: that is code beside it, which is not run. It is known by the name
// that tokenizer_config.json gives it. Special tokens are those of tokenizer_config.json; other ids above the ranks are
// reserved and no tokens. Sources: tokenization_moonshot.py, tokenization_kimi.py; load_tiktoken_bpe of
// openai/tiktoken.
import { byteChars } from './bytes.ts';
import { deriveMerges } from './derive-merges.ts';
import { malformed, TokenizerError } from './errors.ts';
import { kimiPattern } from './gguf-pre-tokenizers.ts';
import { sequence } from './pre-tokenizer.ts';
import type { TokenizerJson } from './tokenizer-json.ts';

/** Patterns by the file of the code that has them. */
const patternsByCode: Readonly<Record<string, string>> = {
  tokenization_moonshot: kimiPattern,
  tokenization_kimi: kimiPattern,
};

function findPattern(config: Readonly<Record<string, unknown>>, source: string): string {
  const { AutoTokenizer: names } = (config.auto_map ?? {}) as { AutoTokenizer?: unknown };
  const code = [names].flat().find((name) => typeof name === 'string');
  const pattern = patternsByCode[code?.split('.')[0] ?? ''];
  if (pattern !== undefined) return pattern;
  const known = Object.keys(patternsByCode).join(' and ');
  throw new TokenizerError(
    source,
    `how it cuts texts is in code that is not run: known are ${known}, this one is named ${JSON.stringify(code)}`,
    'convert it to a tokenizer.json',
  );
}

/** Returns the tokens in the byte alphabet, by rank. */
function readRanks(text: string, source: string): string[] {
  const lines = text.split('\n').filter((line) => line !== '');
  const tokens = new Array<string>(lines.length);
  for (const [i, line] of lines.entries()) {
    const [, base64, rank] = /^([A-Za-z0-9+/]+={0,2}) (\d{1,8})$/.exec(line) ?? [];
    if (base64 === undefined || !(Number(rank) in lines) || tokens[Number(rank)] !== undefined)
      throw malformed(source, `line ${i + 1}: expected a token in base64 and a rank below ${lines.length} of its own`);
    tokens[Number(rank)] = Array.from(Buffer.from(base64, 'base64'), (byte) => byteChars[byte]).join('');
  }
  return tokens;
}

/** Returns the tokenizer.json of a tiktoken.model and its tokenizer_config.json. Throws TokenizerError. */
export function readTiktoken(text: string, config: Readonly<Record<string, unknown>>, source: string): TokenizerJson {
  const tokens = readRanks(text, source);
  const added = Object.entries((config.added_tokens_decoder ?? {}) as Record<string, Record<string, unknown>>);
  return {
    version: '1.0',
    added_tokens: added.map(([id, token]) => ({ ...token, id: Number(id), normalized: false })),
    normalizer: null,
    pre_tokenizer: sequence([findPattern(config, source)]),
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      ignore_merges: true,
      vocab: Object.fromEntries(tokens.map((token, rank) => [token, rank])),
      merges: deriveMerges(tokens),
    },
  };
}

// The pre-tokenizers of GGUF files: their names in `tokenizer.ggml.pre`, and what each does, as a tokenizer.json.
//
// The patterns are those of the models' own tokenizer.json files where these are public, else what llama.cpp's table
// (src/llama-vocab.cpp) says. llama.cpp reads some names alike; then the first one of a row is written. A file does not
// say how texts are normalized: Qwen's models read NFC. Left out: what only encoders use, such as jina-v2-code.
import { preTokenizers, sequence } from './pre-tokenizer.ts';
import { patterns } from './scanner.ts';

export interface GgufPreTokenizer {
  readonly names: readonly string[];
  readonly json: object;
  /** Whether words that are tokens stay whole. @default false */
  readonly ignoreMerges?: boolean;
  /** Whether prompts begin with the BOS token where the file does not say so. @default false */
  readonly addBos?: boolean;
  readonly normalizer?: object;
  /** Whether tokens are text, with `▁` for the space, not in the byte alphabet. @default false */
  readonly isText?: boolean;
}

const contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const upper = '\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}';
const lower = '\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}';
const before = '[^\\r\\n\\p{L}\\p{N}]?';
const blanks = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const signs = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*';

/** Words that begin with capitals, then words in capitals, each with an ending (o200k, tekken). */
const cased = (ending: string) => `${before}[${upper}]*[${lower}]+${ending}|${before}[${upper}]+[${lower}]*${ending}`;
const o200k = (digits: string) => `${cased(`${contraction}?`)}|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${blanks}`;

const notHan = '&&[^\\p{Han}]';
/** From the tokenization code of Kimi-K2 and Moonlight. */
export const kimiPattern =
  `[\\p{Han}]+|${before}[${upper}${notHan}]*[${lower}${notHan}]+${contraction}?|` +
  `${before}[${upper}${notHan}]+[${lower}${notHan}]*${contraction}?|\\p{N}{1,3}|${signs}|${blanks}`;

const cjkOfDeepseek = '[一-龥\\u0800-一가-\\ud7ff]+';
/** The letters of DeepSeek LLM's pattern, which lists them: those with two cases, but for mathematical ones. */
const casedLetters = '[\\p{Lu}\\p{Ll}\\p{Lt}&&[^𝐀-𝟿]]';
const thousands = '\\p{Nd}{1,3}(?=(?:\\p{Nd}{3})*(?!\\p{Nd}))';
const bloomWords = ' ?[^(\\s|.,!?…。，、।۔،)]+';
const digits = { type: 'Digits', individual_digits: true };
const gpt2 = preTokenizers['gpt-2'].json;
const llama3 = preTokenizers['llama-3'].json;
const withDigits = { type: 'Sequence', pretokenizers: [digits, gpt2] };
const splits = (...all: readonly string[]) => sequence(all);
const lines = { type: 'Split', pattern: { Regex: '[^\\n]+|[\\n]+' }, behavior: 'Isolated', invert: false };

export const ggufPreTokenizers: readonly GgufPreTokenizer[] = [
  { names: ['deepseek-v3', 'hunyuan-dense', 'joyai-llm', 'hy_v4'], json: preTokenizers['deepseek-v3'].json },
  {
    names: ['llama-bpe', 'llama3', 'llama-v3', 'falcon3', 'falcon-h1', 'pixtral', 'midm-2.0', 'lfm2', 'jina-v5-nano'],
    json: llama3,
    ignoreMerges: true,
    addBos: true,
  },
  { names: ['dbrx', 'smaug-bpe', 'chatglm-bpe', 'glm4'], json: llama3 },
  { names: ['qwen2'], json: preTokenizers.qwen2.json, normalizer: { type: 'NFC' } },
  {
    names: ['deepseek-r1-qwen', 'stablelm2', 'megrez', 'hunyuan', 'solar-open', 'grok-2', 'kormo', 'f2llmv2'],
    json: preTokenizers.qwen2.json,
  },
  {
    names: ['qwen35'],
    json: splits(`${contraction}|${before}[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|${blanks}`),
    normalizer: { type: 'NFC' },
  },
  {
    names: ['gpt-2', 'phi-2', 'mpt', 'olmo', 'jais', 'trillion', 'granite-docling', 'exaone4', 'gigachat', 'mellum'],
    json: gpt2,
  },
  { names: ['a.x-4.0', 'modern-bert', 'jina-es', 'jina-de', 'jina-v2-es', 'jina-v2-de'], json: gpt2 },
  {
    names: ['smollm', 'starcoder', 'refact', 'command-r', 'codeshell', 'exaone', 'minerva-7b', 'mellum2'],
    json: withDigits,
  },
  { names: ['gpt-4o', 'llama4', 'kanana2', 'talkie', 'minimax-m2'], json: splits(o200k('\\p{N}{1,3}')) },
  {
    names: ['tekken'],
    json: splits(`${cased('')}|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${blanks}`),
    ignoreMerges: true,
    addBos: true,
  },
  { names: ['kimi-k2'], json: splits(kimiPattern), ignoreMerges: true },
  {
    names: ['deepseek-llm'],
    json: splits(
      '[\\r\\n]',
      `\\s?${casedLetters}+`,
      '\\s?[!-/:-~！-／：-～‘-‟　-。]+',
      '\\s+$',
      cjkOfDeepseek,
      '\\p{N}+',
    ),
  },
  {
    names: ['deepseek-coder'],
    json: splits('[\\r\\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', cjkOfDeepseek, '\\p{N}'),
  },
  {
    names: ['bailingmoe', 'bailingmoe2', 'llada-moe'],
    json: splits(`'(?i:[sdmt]|ll|ve|re)|${before}\\p{L}+|\\p{N}|${signs}|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+`),
  },
  {
    names: ['seed-coder'],
    json: splits(`${contraction}|${before}\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|${blanks}`),
  },
  { names: ['ufakzeka'], json: splits(`${before}\\p{L}+|\\p{N}|${signs}|${blanks}`) },
  { names: ['laguna'], json: splits('[^\\n]+|[\\n]+', patterns.qwen2) },
  {
    names: ['exaone-moe'],
    json: splits(
      `${contraction}|${before}(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|` +
        '\\s*[\\r\\n]|\\s+(?!\\S)|\\s+',
    ),
  },
  {
    names: ['minicpm5'],
    json: splits('\\p{N}{1,3}', `${contraction}|${before}\\p{L}+|\\p{N}+|${signs}|${blanks}`),
    ignoreMerges: true,
  },
  {
    names: ['jais-2'],
    json: splits(
      `${contraction}|${before}\\p{L}+|\\p{N}{1,3}|${signs}|\\s*[\\r\\n]+|` +
        [512, 256, 128, 64, 32, 16, 8, 4].map((n) => `\\s{${n}}(?!\\S)|`).join('') +
        '\\s{1,2}(?!\\S)|\\s{1}',
    ),
  },
  {
    names: ['youtu'],
    json: splits('[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+', o200k('\\p{N}')),
    ignoreMerges: true,
  },
  { names: ['bloom', 'poro-chat', 'gpt3-finnish'], json: splits(bloomWords) },
  { names: ['viking'], json: splits(bloomWords, '\\p{N}') },
  {
    names: ['tiny_aya', 'cohere2moe'],
    json: splits('\\d{1,3}(?=(?:\\d{3})*(?![\\p{L}\\p{M}\\p{N}\\p{Pc}]))', o200k('\\p{N}{1,3}')),
  },
  { names: ['superbpe'], json: splits('\\p{N}+', '(?=(\\d{3})+(?!\\d))') },
  {
    names: ['afmoe'],
    json: splits(thousands, '[一-鿿㐀-䶿豈-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+', patterns.deepseekV3),
  },
  {
    names: ['spark2_5'],
    json: splits(
      patterns.threeDigits,
      patterns.cjk,
      '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|' +
        ' ?[\\p{P}\\p{S}]+|[\\r\\n]|\\s+(?!\\S)|\\s+',
      patterns.oneDigit,
    ),
  },
  {
    names: ['chameleon'],
    json: splits(
      '<sentinel:[0-9]+>',
      '(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z',
      '([\\t\\n]|    |  )',
      patterns.oneDigit,
      '[\\p{P}!-/:-@\\[-`{-~]',
      patterns.gpt2,
    ),
    addBos: true,
  },
  { names: ['falcon'], json: splits('[\\p{P}$+<=>^~|`]+', patterns.gpt2, '[0-9][0-9][0-9]') },
  { names: ['default'], json: splits('[\\p{P}$+<=>^~|]+', patterns.gpt2, '\\p{N}+', '[0-9][0-9][0-9]') },
  { names: ['gemma4'], json: lines, isText: true, addBos: true },
  { names: ['sarvam-moe'], json: lines, isText: true },
];

/** Finds a pre-tokenizer by its name in GGUF. */
export function findGgufPreTokenizer(name: string): GgufPreTokenizer | undefined {
  return ggufPreTokenizers.find(({ names }) => names.includes(name));
}

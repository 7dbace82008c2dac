// The vocabulary of a GGUF file: its tokens, their types, and the keys around them, checked as they are read.
import { TokenizerError } from './errors.ts';

/** The metadata of a GGUF file; arrays of numbers are typed arrays. */
export type GgufMetadata = ReadonlyMap<string, unknown>;

export const tokenTypes = { normal: 1, unknown: 2, control: 3, added: 4, unused: 5, byte: 6 } as const;

export const prefix = 'tokenizer.ggml.';
const ownTokenizer = 'give the tokenizer.json of the model: --tokenizer FOLDER';

/** Texts of tokens that end a generation, whatever the file says. */
export const endTexts: ReadonlySet<string> = new Set(
  ['<|eot_id|>', '<|im_end|>', '<|end|>', '<|return|>', '<|call|>', '<|flush|>', '<|calls|>', '<end_of_turn>']
    .concat(['<|endoftext|>', '</s>', '<|eom_id|>', '<EOT>', '_<EOT>', '[EOT]', '[EOS]', '<|end_of_text|>'])
    .concat(['<end_of_utterance>', '<eos>', '<turn|>', '<|tool_response>', '<｜end▁of▁sentence｜>', '[e~[']),
);
export class Keys {
  readonly #metadata: GgufMetadata;
  readonly source: string;

  constructor(metadata: GgufMetadata, source: string) {
    this.#metadata = metadata;
    this.source = source;
  }

  refuse(key: string, problem: string, remedy: string = ownTokenizer): never {
    throw new TokenizerError(this.source, `${prefix}${key}: ${problem}`, remedy);
  }

  find(key: string): unknown {
    return this.#metadata.get(prefix + key);
  }

  text(key: string): string | undefined {
    const value = this.find(key);
    if (value === undefined || typeof value === 'string') return value;
    return this.refuse(key, 'expected a text', 'fetch the file again');
  }

  flag(key: string, otherwise: boolean): boolean {
    const value = this.find(key) ?? otherwise;
    return typeof value === 'boolean' ? value : this.refuse(key, 'expected true or false', 'fetch the file again');
  }

  texts(key: string): readonly string[] {
    const value = this.find(key);
    if (Array.isArray(value) && value.every((text) => typeof text === 'string')) return value;
    return this.refuse(key, 'expected a list of texts');
  }

  /** Reads numbers, as many as there are tokens; null where the file has none. */
  numbers(key: string, count: number): ArrayLike<number> | null {
    const value = this.find(key);
    if (value === undefined) return null;
    if (ArrayBuffer.isView(value) && (value as Uint8Array).length === count) return value as Uint8Array;
    return this.refuse(key, `expected ${count} numbers, one for each token`, 'fetch the file again');
  }
}

export interface GgufVocabulary {
  readonly keys: Keys;
  readonly tokens: readonly string[];
  /** The type of a token, as in tokenTypes. */
  readonly types: readonly number[];
}

export function readVocabulary(keys: Keys): GgufVocabulary {
  const tokens = keys.texts('tokens');
  if (tokens.length === 0) keys.refuse('tokens', 'expected at least one token');
  const given = keys.numbers('token_type', tokens.length);
  const { normal, control, unused } = tokenTypes;
  const types = tokens.map((token, id) => {
    const type = given?.[id] ?? normal;
    if (token === '') return unused;
    // Some converters mark `<|im_end|>` as a normal token; in Qwen's vocabulary `</s>` is one.
    const isEnd = endTexts.has(token) && (type === tokenTypes.added || (type === normal && /^<[|｜]/.test(token)));
    return isEnd ? control : type;
  });
  return { keys, tokens, types };
}

/** Returns the tokens of some types with their ids. Throws TokenizerError if two are the same. */
export function toVocab({ keys, tokens, types }: GgufVocabulary, some: readonly number[]): Record<string, number> {
  const vocab: Record<string, number> = Object.create(null);
  for (const [id, token] of tokens.entries()) {
    if (!some.includes(types[id])) continue;
    if (vocab[token] !== undefined)
      keys.refuse(
        'tokens',
        `tokens ${vocab[token]} and ${id} are both ${JSON.stringify(token)}`,
        'fetch the file again',
      );
    vocab[token] = id;
  }
  return vocab;
}

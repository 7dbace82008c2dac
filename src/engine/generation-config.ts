// generation_config.json: how its authors sample a model. Its numbers are the defaults of requests that say nothing.
//
// Contract: every field that changes what is generated is used, or must have the value that changes nothing; a field
// that nobody here knows is said aloud. Source: GenerationConfig of transformers 5.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readJson } from '../model/checkpoint/index.ts';
import { TokenizerError } from '../tokenizer/index.ts';

export interface SamplingDefaults {
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
}

interface UsedField {
  readonly option: keyof SamplingDefaults;
  readonly expected: string;
  readonly fits: (value: number) => boolean;
}

const used: Readonly<Record<string, UsedField>> = {
  temperature: { option: 'temperature', expected: 'a number from 0', fits: (x) => x >= 0 && x < Infinity },
  top_k: { option: 'topK', expected: 'a whole number from 0', fits: (x) => Number.isSafeInteger(x) && x >= 0 },
  top_p: { option: 'topP', expected: 'a number above 0 and up to 1', fits: (x) => x > 0 && x <= 1 },
  min_p: { option: 'minP', expected: 'a number from 0 to 1', fits: (x) => x >= 0 && x <= 1 },
  repetition_penalty: {
    option: 'repetitionPenalty',
    expected: 'a number from 0.01 to 100',
    fits: (x) => x >= 0.01 && x <= 100,
  },
};

/** Read elsewhere (ids of special tokens), or without influence on the tokens of one answer. */
const harmless = new Set(
  'bos_token_id eos_token_id pad_token_id decoder_start_token_id do_sample max_length max_new_tokens'
    .concat(' transformers_version _from_model_config trust_remote_code use_cache cache_implementation cache_config')
    .concat(' return_dict_in_generate output_attentions output_hidden_states output_scores output_logits')
    .concat(' num_return_sequences early_stopping length_penalty max_time remove_invalid_values compile_config')
    .concat(' disable_compile return_legacy_cache prefill_chunk_size is_assistant num_assistant_tokens')
    .concat(' num_assistant_tokens_schedule assistant_confidence_threshold prompt_lookup_num_tokens')
    .concat(' max_matching_ngram_size assistant_early_exit assistant_lookbehind target_lookbehind')
    .concat(' low_memory token_healing chat_format max_window_size')
    .split(' '),
);

/** Not supported: the values that change nothing. */
const neutral: Readonly<Record<string, readonly unknown[]>> = {
  num_beams: [1],
  num_beam_groups: [1],
  diversity_penalty: [0],
  penalty_alpha: [0],
  typical_p: [1],
  epsilon_cutoff: [0],
  eta_cutoff: [0],
  encoder_repetition_penalty: [1],
  no_repeat_ngram_size: [0],
  encoder_no_repeat_ngram_size: [0],
  guidance_scale: [1],
  min_length: [0],
  min_new_tokens: [0],
  renormalize_logits: [false],
  dola_layers: [],
  stop_strings: [],
  bad_words_ids: [],
  force_words_ids: [],
  sequence_bias: [],
  suppress_tokens: [],
  begin_suppress_tokens: [],
  forced_bos_token_id: [],
  forced_eos_token_id: [],
  forced_decoder_ids: [],
  exponential_decay_length_penalty: [],
  watermarking_config: [],
  constraints: [],
};

function refuse(source: string, field: string, expected: string, received: unknown): never {
  throw new TokenizerError(
    source,
    `${field}: expected ${expected}, received ${JSON.stringify(received)}`,
    'correct the field, or remove it',
  );
}

const isNothing = (value: unknown) =>
  value === null || value === undefined || (Array.isArray(value) && value.length === 0);

/** Reads the defaults of a generation_config.json. Throws TokenizerError; `notice` hears of unknown fields. */
export function readSamplingDefaults(
  json: Readonly<Record<string, unknown>>,
  source: string,
  notice: (text: string) => void = () => undefined,
): SamplingDefaults {
  const defaults: Record<string, number> = {};
  for (const [field, value] of Object.entries(json)) {
    if (isNothing(value) || harmless.has(field)) continue;
    const own = Object.hasOwn(used, field) ? used[field] : undefined;
    if (own !== undefined) {
      if (typeof value !== 'number' || !own.fits(value)) refuse(source, field, own.expected, value);
      defaults[own.option] = value;
    } else if (!Object.hasOwn(neutral, field)) notice(`${source}: ${field} is not known here, and has no effect`);
    else if (!neutral[field].includes(value))
      refuse(source, field, neutral[field].join(' or ') || 'nothing, because it is not supported', value);
  }
  if (json.do_sample === false) return { ...defaults, temperature: 0 };
  return defaults;
}

/** Reads the defaults of a checkpoint folder; none where it has no generation_config.json. */
export function loadSamplingDefaults(folder: string, notice?: (text: string) => void): SamplingDefaults {
  const path = join(folder, 'generation_config.json');
  if (!existsSync(path)) return {};
  const json = readJson(path);
  if (typeof json === 'object' && json !== null) return readSamplingDefaults({ ...json }, path, notice);
  return refuse(path, 'generation_config.json', 'an object', json);
}

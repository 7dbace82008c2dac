// Parameters of other servers and protocols that are not honored here: the table by which they are refused or accepted.
//
// A parameter that would change the answer is refused by name; with a neutral value, and with null, it passes. One that
// changes nothing here is accepted. A field in neither list nor schema is unknown. ignored-fields.ts checks. Dependent
// settings (dry_base) are accepted, because the parameter that turns their method on (dry_multiplier) is refused.
// Sources: the references of OpenAI, DeepSeek, OpenRouter, Mistral; the request classes of vLLM, SGLang, llama.cpp,
// TGI, Ollama, LiteLLM. No Node module is imported.
import type { z } from 'zod';

/** Names, separated by spaces; what to do instead; values that change nothing. */
export type Refusal = readonly [names: string, remedy: string, ...neutral: unknown[]];

const leaveOut = 'leave it out';
const useFormat = 'use response_format';
const useThinking = 'use thinking: {"type": "enabled" | "disabled"}';
const useBudget = 'use reasoning_budget';
const useMaxTokens = 'use max_tokens';
const useStop = 'use stop, or stop_token_ids';
const renderYourself = 'render the conversation yourself and send it to /v1/completions';

/** Parameters of both generation routes. */
const refusals: readonly Refusal[] = [
  ['guideline structural_tag response_schema format tool_prompt grammar_type', useFormat, ''],
  ['grammar_lazy', useFormat, false],
  ['grammar_triggers', useFormat, []],
  ['web_search_options search_parameters search_settings data_sources mcp_servers nvext', leaveOut],
  ['enable_search deferred background safe_prompt', leaveOut, false],

  ['min_new_tokens min_length', 'use min_tokens', 0],
  ['n_keep n_discard n_indent n_cache_reuse', leaveOut, 0],
  ['n_predict num_predict', useMaxTokens, -1],
  ['max_new_tokens max_output_tokens max_length max_tokens_to_sample maxOutputTokens maxTokens', useMaxTokens],
  ['n_cmpl num_return_sequences num_generations', 'use n', 1],
  ['n_ctx num_ctx', 'the context is set when the server starts; leave it out'],
  ['t_max_predict_ms t_max_prompt_ms', leaveOut, -1, 0],
  ['truncate_prompt_tokens prompt_truncate_len truncate max_input_tokens', 'shorten the prompt yourself', -1],
  ['truncation', 'shorten the prompt yourself', 'disabled', false],
  ['context_length_exceeded_behavior', 'shorten the prompt yourself', 'error'],
  ['transforms', 'shorten the prompt yourself', []],

  ['stop_sequences stop_strings', useStop, []],
  ['stop_regex eos_token_id', useStop],
  ['include_stop_str_in_output include_stop_sequence no_stop_trim', leaveOut, false],

  ['temp', 'use temperature', 1],
  ['do_sample', 'use temperature: 0 for the most probable tokens', true],
  ['random_seed sampling_seed sampler_seed', 'use seed', -1],
  ['repeat_penalty', 'use repetition_penalty', 1],
  ['repeat_last_n penalty_last_n repetition_penalty_range', 'penalties count all tokens; leave it out', -1, 64],
  ['typical_p typical tfs tfs_z length_penalty num_beams encoder_repetition_penalty', leaveOut, 1],
  ['top_a xtc_probability dry_multiplier dynatemp_range epsilon_cutoff eta_cutoff smoothing_factor', leaveOut, 0],
  ['mirostat mirostat_mode penalty_alpha no_repeat_ngram_size min_keep', leaveOut, 0],
  ['top_n_sigma nsigma adaptive_target', leaveOut, -1],
  [
    'use_beam_search early_stopping watermark watermarking dynamic_temperature penalize_nl token_healing',
    leaveOut,
    false,
  ],
  ['backend_sampling temperature_last', leaveOut, false],
  ['samplers sampler_order sampler_priority', leaveOut],
  ['bad_words bad_words_ids banned_tokens banned_strings suppress_tokens force_words_ids', 'use logit_bias', []],
  ['allowed_token_ids sequence_bias', 'use logit_bias'],
  ['logits_processors logit_processors custom_logit_processor custom_params vllm_xargs', leaveOut],
  ['repetition_detection', leaveOut],

  ['n_probs top_logprobs_num', 'use logprobs', 0],
  ['return_logprob', 'use logprobs', false],
  ['logprob_token_ids logprobs_mode logprob_start_len', leaveOut],
  ['post_sampling_probs return_tokens return_tokens_as_token_ids return_token_offsets', 'use return_token_ids', false],
  [
    'return_prompt_text return_prompt_token_ids return_hidden_states return_routed_experts return_progress',
    leaveOut,
    false,
  ],
  ['return_meta_info return_cached_tokens_details return_full_text details decoder_input_details', leaveOut, false],
  ['verbose raw_output perf_metrics_in_response incremental_output stream_tokens', leaveOut, false],
  ['timings_per_token', 'use timings', false],
  ['response_fields include', leaveOut, []],
  ['result_format', leaveOut, 'message'],
  ['skip_special_tokens detokenize', leaveOut, true],

  ['enable_thinking think include_thinking', useThinking],
  ['disable_reasoning', useThinking, false],
  ['reasoning', 'use thinking, reasoning_budget and include_reasoning'],
  [
    'thinking_budget thinking_token_budget thinking_budget_tokens reasoning_budget_tokens max_thinking_tokens',
    useBudget,
  ],
  ['reasoning_budget_message', leaveOut, ''],
  ['reasoning_format', leaveOut, 'auto', 'deepseek', 'parsed'],
  ['separate_reasoning stream_reasoning reasoning_split', leaveOut, true],
  ['thinking_forced_open reasoning_in_content clear_thinking preserve_thinking', leaveOut, false],
  ['verbosity', leaveOut, 'medium'],

  ['chat_template template', renderYourself],
  ['input_ids', 'send them as prompt to /v1/completions'],
  ['input', 'use messages, or prompt on /v1/completions'],
  ['system instructions', 'send a message with the role "system"'],
  ['context previous_response_id conversation prompt_mode preset task', leaveOut],
  ['documents plugins models fallbacks', leaveOut, []],
  ['modalities', 'this server reads and writes text only', ['text']],
  ['images image_data audio multi_modal_data image_config images_config', 'this server reads and writes text only', []],
  ['mm_processor_kwargs media_io_kwargs max_dynamic_patch min_dynamic_patch', 'this server reads text only', {}],
  ['use_audio_in_video', 'this server reads text only', false],
  ['options extra_body extra_query', 'write its fields into the body itself', {}],

  ['lora', leaveOut, []],
  ['lora_path lora_request adapter adapter_id', 'serve the adapted model'],
  ['kv_transfer_params ec_transfer_params session_params', leaveOut],
  ['bootstrap_host bootstrap_port bootstrap_room routed_dp_rank data_parallel_rank disagg_prefill_dp_rank', leaveOut],
  ['moderation safety_model', leaveOut],
];

const chatRefusals: readonly Refusal[] = [
  ['functions', 'use tools', []],
  ['function_call', 'use tool_choice', 'none', 'auto'],
  ['prompt', 'use messages, or /v1/completions'],
  ['suffix', 'use /v1/completions'],
  ['echo add_special_tokens parse_special', 'use /v1/completions', false],
  ['best_of', 'use n', 1],
];

const completionRefusals: readonly Refusal[] = [
  ['tools functions', 'use /v1/chat/completions', []],
  ['tool_choice function_call', 'use /v1/chat/completions', 'none', 'auto'],
  ['messages continue_final_message add_generation_prompt', 'use /v1/chat/completions', false],
  ['prompt_logprobs', 'use logprobs with echo'],
  ['thinking reasoning_effort chat_template_kwargs', 'it is for /v1/chat/completions; write it into the prompt'],
  ['include_reasoning', 'the text contains the thinking', true],
  ['top_logprobs', 'use logprobs', 0],
  ['max_completion_tokens', useMaxTokens],
];

const accepted =
  'user metadata store service_tier safety_identifier prompt_cache_key prompt_cache_retention prompt_cache_options ' +
  'prediction request_id rid session_id extra_key custom_labels priority keep_alive cache_prompt ' +
  'id_slot timeout request_timeout num_retries max_retries provider route usage trace debug tags cache_control ' +
  'sse_ping_interval stream_interval guided_decoding_backend guided_whitespace_pattern truncation_side ' +
  'xtc_threshold dynatemp_exponent dry_base dry_allowed_length dry_penalty_last_n dry_sequence_breakers ' +
  'mirostat_tau mirostat_eta smoothing_curve adaptive_decay spaces_between_special_tokens routed_experts_start_len ' +
  'routed_experts_prompt_start return_mm_kwargs ngram_corpus_id';

function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const [keys, others] = [Object.keys(a), Object.keys(b)];
  return (
    Array.isArray(a) === Array.isArray(b) &&
    keys.length === others.length &&
    keys.every((key) => Object.hasOwn(b, key) && isSame(a[key as keyof object], b[key as keyof object]))
  );
}

/** The parameters of one place that are not honored. */
export interface Unhonored {
  readonly refused: ReadonlyMap<string, { readonly remedy: string; readonly neutral: readonly unknown[] }>;
  readonly accepted: ReadonlySet<string>;
}

const none: Unhonored = { refused: new Map(), accepted: new Set() };
const tables = new WeakMap<z.core.$ZodType, Unhonored>();

/**
 * Gives the schema of an object its unhonored parameters. They are no fields of it: a schema reads all its fields in
 * each request, and 280 more took a hundred times longer.
 */
export function withUnhonored<S extends z.ZodType>(schema: S, table: Unhonored): S {
  tables.set(schema, table);
  return schema;
}

/** Returns the unhonored parameters of a schema: none without `withUnhonored`. */
export const unhonoredIn = (schema: z.core.$ZodType): Unhonored => tables.get(schema) ?? none;

/** Refused parameters, and the names of accepted ones, separated by spaces. */
export function unhonored(refusals: readonly Refusal[], accepted = ''): Unhonored {
  const rows = refusals.flatMap(([names, remedy, ...neutral]) =>
    names.split(' ').map((name) => [name, { remedy, neutral }] as const),
  );
  return { refused: new Map(rows), accepted: new Set(accepted.split(' ').filter((name) => name !== '')) };
}

/** Returns what to do instead of a parameter with this value; null: the value changes nothing, or it is not refused. */
export function findRemedy({ refused }: Unhonored, name: string, value: unknown): string | null {
  const refusal = refused.get(name);
  if (refusal === undefined || value === null || refusal.neutral.some((each) => isSame(each, value))) return null;
  return refusal.remedy;
}

/** Returns unhonored parameters as properties of a JSON schema. */
export function describeUnhonored({ refused, accepted }: Unhonored): Record<string, z.core.JSONSchema.BaseSchema> {
  const rows = [...refused].map(([name, { remedy, neutral }]) => {
    const passing = ['null', ...neutral.map((value) => JSON.stringify(value))].join(', ');
    return [name, { description: `Not supported: ${remedy}. Only ${passing} passes.`, 'x-minke': 'refused' }] as const;
  });
  const accepting = { description: 'Accepted; it changes nothing.', 'x-minke': 'accepted' };
  return Object.fromEntries([...rows, ...[...accepted].map((name) => [name, accepting] as const)]);
}

export const unhonoredOnChat = unhonored([...refusals, ...chatRefusals], accepted);
export const unhonoredOnCompletions = unhonored(
  [...refusals, ...completionRefusals],
  `${accepted} parallel_tool_calls`,
);
export const unhonoredInMessages = unhonored(
  [
    ['function_call', 'use tool_calls'],
    ['refusal audio', 'use content', ''],
    ['tools images', 'use content', []],
    ['thinking', 'use reasoning_content', ''],
  ],
  'id annotations reasoning_details thinking_blocks provider_specific_fields cache_control weight status',
);
export const unhonoredInParts = unhonored([], 'cache_control annotations');
export const unhonoredInStreamOptions = unhonored([['include_obfuscation continuous_usage_stats', leaveOut, false]]);
export const unhonoredInThinking = unhonored([
  ['reasoning_effort effort', 'use reasoning_effort beside it', 'medium', 'high'],
  ['clear_thinking', leaveOut, false],
]);
export const unhonoredOnTokenize = unhonored([
  ['with_pieces return_token_strs return_token_offsets', 'use /detokenize', false],
  ['add_special', 'use add_special_tokens'],
  ['tools', 'describe the functions in a system message', []],
  ['chat_template mm_processor_kwargs', renderYourself],
]);

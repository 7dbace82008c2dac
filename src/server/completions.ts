// POST /completions: the older API. Takes texts or token ids, one or many, and answers with text; with echo also with
// the log-probabilities of the prompt, by which evaluations score answers. `suffix` fills in the middle.
//
// Names of special tokens in a text are text unless parse_special is true. The answer is the raw text of the model,
// with its thinking and the tags.
import {
  endsInThinking,
  type GeneratedToken,
  type GenerateOptions,
  promptEncoder,
  type TextModel,
} from '../engine/index.ts';
import { compileConstraint } from './answer-constraint.ts';
import { answerPrompts } from './answering.ts';
import { type ChoiceFormat, completionResponse } from './completion-response.ts';
import { type Call, findModel, type ServerContext } from './context.ts';
import type { AnswerEnd, AnswerEvent } from './conversation.ts';
import { ApiError } from './errors.ts';
import { checkSampling, clampMaxTokens, toGenerateOptions, toTimings } from './generating.ts';
import type { CompletionRequest } from './protocol.ts';
import type { CompletionLogprobs } from './protocol-responses.ts';
import { readFormat } from './response-format.ts';
import { joinLogprobs, TokenTable } from './token-text.ts';

const defaultMaxTokens = 16;
const maxChoices = 1024;
/** Log-probabilities of prompts in one answer, with their alternatives: about 200 MB. */
const maxScored = 2 ** 21;

/** Resolves after others had their turn. */
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

async function encodeText(
  request: CompletionRequest,
  { tokenizer: loaded, contextLength }: TextModel,
  text: string,
  signal: AbortSignal,
): Promise<Int32Array> {
  const addSpecialTokens = request.add_special_tokens ?? true;
  const encoder = promptEncoder(loaded);
  const limits = { contextLength, signal };
  if (typeof request.suffix !== 'string')
    return encoder.text(text, { plain: !request.parse_special, addSpecialTokens }, limits);
  const filled = await encoder.fillIn(text, request.suffix, limits);
  return addSpecialTokens && loaded.bosId !== null ? Int32Array.of(loaded.bosId, ...filled) : filled;
}

interface Prompt {
  readonly ids: Int32Array;
  readonly startsThinking: boolean;
}

/** Encodes every prompt. Throws ApiError for ids that the model does not have, and for prompts that are too long. */
async function readPrompts(request: CompletionRequest, model: TextModel, signal: AbortSignal): Promise<Prompt[]> {
  const { prompt } = request;
  const isSingle = typeof prompt === 'string' || typeof prompt[0] === 'number';
  const prompts = (isSingle ? [prompt] : prompt) as readonly (string | number[])[];
  const refuse = (problem: string): never => {
    throw new ApiError(422, `prompt: ${problem}`, { param: 'prompt' });
  };
  if (prompts.length === 0) refuse('the list is empty: expected one prompt or more');
  const encoded: Prompt[] = [];
  for (const each of prompts) {
    await nextTurn();
    const given = typeof each === 'string' ? await encodeText(request, model, each, signal) : each;
    if (given.length >= model.contextLength)
      throw new ApiError(
        400,
        `the prompt has ${given.length} tokens, the context holds ${model.contextLength} with the answer: shorten it`,
        {
          param: 'prompt',
          code: 'context_length_exceeded',
          sizes: { promptTokens: given.length, contextLength: model.contextLength },
        },
      );
    const unknown = given.find((id) => id >= model.vocabSize);
    if (unknown !== undefined) refuse(`token ${unknown} does not exist: ids are 0 to ${model.vocabSize - 1}`);
    const ids = Int32Array.from(given);
    encoded.push({ ids, startsThinking: endsInThinking(model.tokenizer, ids) });
  }
  return encoded;
}

interface CompletionChunk {
  readonly text: string;
  readonly logprobs: CompletionLogprobs | null;
  /** With return_token_ids. */
  readonly token_ids?: readonly number[];
  readonly prompt_token_ids?: readonly number[];
}

class CompletionFormat implements ChoiceFormat<CompletionChunk> {
  readonly #prompt: Int32Array;
  readonly #request: CompletionRequest;
  readonly #model: TextModel;
  readonly #table: TokenTable | null;
  /** Tokens generated before the log-probabilities of the prompt arrive, which precede them in the table. */
  readonly #later: GeneratedToken[] = [];

  constructor(prompt: Int32Array, request: CompletionRequest, model: TextModel) {
    this.#prompt = prompt;
    this.#request = request;
    this.#model = model;
    const { logprobs } = request;
    this.#table = typeof logprobs === 'number' ? new TokenTable(model.tokenizer.tokenizer, logprobs) : null;
  }

  /** The text of the prompt, with echo: without the tokens by which it asks for the middle. */
  get first(): CompletionChunk | null {
    const { echo, prompt, suffix, return_token_ids: returnsIds } = this.#request;
    const isFilling = typeof suffix === 'string' && typeof prompt === 'string';
    const text = !echo ? '' : isFilling ? prompt : this.#model.tokenizer.tokenizer.decode(this.#prompt);
    if (returnsIds) return { text, logprobs: null, prompt_token_ids: [...this.#prompt], token_ids: [] };
    return text === '' ? null : { text, logprobs: null };
  }

  part(event: Exclude<AnswerEvent, AnswerEnd>): CompletionChunk | null {
    if (event.type !== 'part') return null;
    const { text, tokens } = event;
    if (this.#request.max_tokens === 0) return null;
    const ids = this.#request.return_token_ids && tokens.length > 0 ? { token_ids: tokens.map(({ id }) => id) } : null;
    if (this.#request.echo) this.#later.push(...tokens);
    else for (const token of tokens) this.#table?.add(token);
    const logprobs = this.#table?.take() ?? null;
    return text === '' && ids === null && (logprobs?.tokens.length ?? 0) === 0 ? null : { text, logprobs, ...ids };
  }

  async last({ promptLogprobs }: AnswerEnd): Promise<CompletionChunk> {
    const table = this.#table;
    if (table === null || !this.#request.echo) return { text: '', logprobs: null };
    if (this.#prompt.length > 0) table.addFirst(this.#prompt[0]);
    for (const [i, token] of [...(promptLogprobs ?? []), ...this.#later].entries()) {
      if (i % 256 === 255) await nextTurn();
      table.add(token);
    }
    return { text: '', logprobs: table.take() };
  }

  join(chunks: readonly CompletionChunk[]): CompletionChunk {
    const tables = chunks.flatMap(({ logprobs }) => logprobs ?? []);
    const text = chunks.map((chunk) => chunk.text).join('');
    return {
      text,
      logprobs: this.#table === null ? null : joinLogprobs(tables, this.#request.logprobs === 0),
      ...(this.#request.return_token_ids && {
        prompt_token_ids: [...this.#prompt],
        token_ids: chunks.flatMap(({ token_ids: ids = [] }) => ids),
      }),
    };
  }
}

function refuseUnsupported(request: CompletionRequest): void {
  const refuse = (param: string, problem: string) => {
    throw new ApiError(400, `${param}: ${problem}`, { param, code: 'unsupported_parameter' });
  };
  if (request.best_of && request.best_of !== (request.n ?? 1)) refuse('best_of', 'is not supported: use n alone');
  if (request.stream && request.echo && typeof request.logprobs === 'number')
    refuse('stream', 'the log-probabilities of the prompt come last: set stream or echo to false');
  if (typeof request.suffix === 'string' && typeof request.prompt !== 'string')
    refuse('suffix', 'needs a prompt that is one text');
  if (typeof request.suffix === 'string' && request.echo && typeof request.logprobs === 'number')
    refuse('logprobs', 'cannot be combined with echo and suffix: leave one of them out');
}

/** Throws ApiError, RefusedError or TokenizerError; see toApiError. */
export async function handleCompletion(
  context: ServerContext,
  request: CompletionRequest,
  call: Call,
): Promise<Response> {
  const model = findModel(context, request.model);
  refuseUnsupported(request);
  checkSampling(request, model);
  const choicesPerPrompt = request.n ?? 1;
  const prompts = await readPrompts(request, model, call.lease.signal);
  if (prompts.length * choicesPerPrompt > maxChoices)
    throw new ApiError(
      422,
      `n: ${prompts.length} prompts with ${choicesPerPrompt} answers each: a request has at most ${maxChoices} answers`,
      { param: 'n' },
    );
  const { logprobs, echo } = request;
  const scores = typeof logprobs === 'number';
  const scored = prompts.reduce((sum, { ids }) => sum + ids.length, 0) * choicesPerPrompt * ((logprobs ?? 0) + 1);
  if (scores && echo && scored > maxScored)
    throw new ApiError(
      422,
      `logprobs: ${scored} log-probabilities of prompts, at most ${maxScored} at a time: send fewer prompts`,
      { param: 'logprobs' },
    );
  const constraint = await compileConstraint(
    { format: readFormat(request), tools: [], sampling: request },
    null,
    model,
  );
  const generations = prompts.flatMap(({ ids: prompt, startsThinking }) =>
    Array.from({ length: choicesPerPrompt }, (_, choice) => {
      const options: GenerateOptions = {
        ...toGenerateOptions(request, choice, call),
        raw: true,
        startsThinking,
        maxTokens: clampMaxTokens(Math.max(1, request.max_tokens ?? defaultMaxTokens), prompt.length, model),
        ...(scores && { logprobs }),
        ...(constraint !== null && { constraint }),
        ...(scores && echo && { promptLogprobs: logprobs }),
      };
      return { prompt, options };
    }),
  );
  const formats = generations.map(({ prompt }) => new CompletionFormat(prompt, request, model));
  const events = answerPrompts(context, call, model, generations);
  const objects = { whole: 'text_completion', chunk: 'text_completion' };
  return completionResponse(
    context,
    call,
    {
      model,
      events,
      formats,
      choicesPerPrompt,
      idPrefix: 'cmpl',
      objects,
      ...(request.timings && { back: (ends) => ({ timings: toTimings(ends, choicesPerPrompt) }) }),
    },
    request,
  );
}

// POST /completions: the older form. Texts or token ids in, one or many; text out; with echo the prompt's own
// log-probabilities, which is how evaluations score answers. `suffix` fills in between.
//
// Names of special tokens in a text are text, unless parse_special says otherwise. The tags of thinking, which the
// engine keeps out of its text, are written again here, for this is the raw text of the model.
import {
  encodePieces,
  fillInPieces,
  type GenerateOptions,
  type GenerationEnd,
  type GenerationEvent,
  type GenerationPart,
  type TextModel,
  wellFormed,
} from '../engine/index.ts';
import { type Call, ChunkWriter, findModel, newHead, type ServerContext, streamResponse } from './context.ts';
import { ApiError, toApiError, validate } from './errors.ts';
import { dataFrame } from './event-stream.ts';
import {
  checkLogitBias,
  clampMaxTokens,
  type IndexedEvent,
  startGenerations,
  toFailure,
  toGenerateOptions,
  totalUsage,
} from './generating.ts';
import { type CompletionRequest, completionRequest } from './protocol.ts';
import type { Completion } from './protocol-responses.ts';
import { TokenTable } from './token-text.ts';

const usualTokens = 16;
const mostChoices = 1024;

function idsOfText(request: CompletionRequest, { tokenizer: loaded }: TextModel, given: string): Int32Array {
  const text = wellFormed(given);
  const addSpecialTokens = request.add_special_tokens ?? true;
  if (typeof request.suffix !== 'string')
    return loaded.tokenizer.encode(text, { plain: !request.parse_special, addSpecialTokens });
  const filled = encodePieces(loaded.tokenizer, fillInPieces(loaded, text, wellFormed(request.suffix)));
  return addSpecialTokens && loaded.bosId !== null ? Int32Array.of(loaded.bosId, ...filled) : filled;
}

/** Ids of every prompt. Throws ApiError 422 for ids that the model has not. */
function promptsOf(request: CompletionRequest, model: TextModel): Int32Array[] {
  const { prompt } = request;
  const isOne = typeof prompt === 'string' || typeof prompt[0] === 'number';
  const prompts = (isOne ? [prompt] : prompt) as readonly (string | number[])[];
  if (prompts.length === 0)
    throw new ApiError(422, 'prompt: the list is empty: expected one prompt or more', { param: 'prompt' });
  return prompts.map((each) => {
    if (typeof each === 'string') return idsOfText(request, model, each);
    const wrong = each.find((id) => id >= model.vocabSize);
    if (wrong !== undefined)
      throw new ApiError(422, `prompt: token ${wrong} does not exist: ids are 0 to ${model.vocabSize - 1}`, {
        param: 'prompt',
      });
    return Int32Array.from(each);
  });
}

/** Collects one choice. */
class Choice {
  readonly #prompt: Int32Array;
  readonly #request: CompletionRequest;
  readonly #model: TextModel;
  readonly #table: TokenTable | null;
  /** What was generated before the prompt's own log-probabilities came, which stand before it. */
  readonly #later: GenerationPart[] = [];
  #channel: GenerationPart['channel'] = 'answer';

  constructor(prompt: Int32Array, request: CompletionRequest, model: TextModel) {
    this.#prompt = prompt;
    this.#request = request;
    this.#model = model;
    const { logprobs } = request;
    this.#table = typeof logprobs === 'number' ? new TokenTable(model.tokenizer.tokenizer, logprobs) : null;
  }

  get #scoresPrompt(): boolean {
    return this.#table !== null && this.#request.echo === true;
  }

  /** The prompt's text, when it is asked for. */
  get opening(): string {
    return this.#request.echo ? this.#model.tokenizer.tokenizer.decode(this.#prompt) : '';
  }

  text(part: GenerationPart): string {
    if (this.#request.max_tokens === 0) return '';
    const tag = part.channel === this.#channel ? '' : part.channel === 'thinking' ? '<think>' : '</think>';
    this.#channel = part.channel;
    if (this.#scoresPrompt) this.#later.push(part);
    else for (const token of part.tokens) this.#table?.add(token);
    return tag + part.text;
  }

  /** Log-probabilities since the last time; those of an echoed prompt come with the end. */
  logprobs(event: GenerationEvent): Completion['choices'][number]['logprobs'] {
    const table = this.#table;
    if (table === null) return null;
    if (event.type === 'end' && this.#scoresPrompt) {
      if (this.#prompt.length > 0) table.addFirst(this.#prompt[0]);
      for (const token of event.promptLogprobs ?? []) table.add(token);
      for (const { tokens } of this.#later) for (const token of tokens) table.add(token);
    }
    return table.take();
  }
}

interface Answering {
  readonly context: ServerContext;
  readonly call: Call;
  readonly model: TextModel;
  readonly events: AsyncIterableIterator<IndexedEvent>;
  readonly choices: readonly Choice[];
  /** Choices of one prompt. */
  readonly n: number;
}

/** Throws what the generation ended with, if it did not come to its end. */
function settle({ context, call, model }: Answering, end: GenerationEnd): void {
  context.metrics.observe(model.name, end);
  const failure = toFailure(end, call.lease);
  if (failure !== null) throw failure;
}

async function* frames(answering: Answering, includeUsage: boolean): AsyncGenerator<string> {
  const { context, model, events, choices, n } = answering;
  const writer = new ChunkWriter(newHead('cmpl', 'text_completion', model));
  const usage = includeUsage ? null : undefined;
  const ends: GenerationEnd[] = [];
  try {
    for (const [index, { opening }] of choices.entries())
      if (opening !== '') yield writer.frame([{ index, text: opening, logprobs: null, finish_reason: null }], usage);
    for await (const [index, event] of events) {
      const choice = choices[index];
      if (event.type === 'part') {
        const text = choice.text(event);
        const logprobs = choice.logprobs(event);
        const isEmpty = text === '' && (logprobs?.tokens.length ?? 0) === 0;
        if (!isEmpty) yield writer.frame([{ index, text, logprobs, finish_reason: null }], usage);
        continue;
      }
      settle(answering, event);
      ends[index] = event;
      const last = Object.keys(ends).length === choices.length && !includeUsage ? totalUsage(ends, n) : usage;
      yield writer.frame([{ index, text: '', logprobs: null, finish_reason: event.finishReason }], last);
    }
    if (includeUsage) yield writer.frame([], totalUsage(ends, n));
    yield dataFrame('[DONE]');
  } catch (error) {
    const told = toApiError(error);
    if (told.status === 500) context.onError(error);
    yield dataFrame(JSON.stringify(told.body));
  }
}

async function whole(answering: Answering): Promise<Completion> {
  const { model, events, choices, n } = answering;
  const texts = choices.map(({ opening }) => opening);
  const ends: GenerationEnd[] = [];
  for await (const [index, event] of events) {
    if (event.type === 'part') texts[index] += choices[index].text(event);
    else {
      settle(answering, event);
      ends[index] = event;
    }
  }
  return {
    ...newHead('cmpl', 'text_completion', model),
    object: 'text_completion',
    choices: choices.map((choice, index) => ({
      index,
      text: texts[index],
      logprobs: choice.logprobs(ends[index]),
      finish_reason: ends[index]?.finishReason as 'stop' | 'length',
    })),
    usage: totalUsage(ends, n),
  };
}

function refuse(request: CompletionRequest): void {
  const wrong = (param: string, problem: string) => {
    throw new ApiError(400, `${param}: ${problem}`, { param, code: 'unsupported_parameter' });
  };
  if (request.best_of && request.best_of !== (request.n ?? 1)) wrong('best_of', 'is not supported: use n alone');
  if (request.stream && request.echo && typeof request.logprobs === 'number')
    wrong('stream', "the prompt's log-probabilities come last: set stream or echo to false");
  if (typeof request.suffix === 'string' && typeof request.prompt !== 'string')
    wrong('suffix', 'needs a prompt that is one text');
  if (typeof request.suffix === 'string' && request.echo) wrong('echo', 'does not go with suffix: leave one out');
}

/** Throws ApiError, RefusedError, TokenizerError; see toApiError. */
export async function handleCompletion(context: ServerContext, call: Call, body: unknown): Promise<Response> {
  const request = validate(completionRequest, body);
  const model = findModel(context, request.model);
  refuse(request);
  checkLogitBias(request, model);
  const n = request.n ?? 1;
  const prompts = promptsOf(request, model);
  if (prompts.length * n > mostChoices)
    throw new ApiError(422, `n: ${prompts.length} prompts of ${n} answers: at most ${mostChoices} in a request`, {
      param: 'n',
    });
  const { logprobs, echo } = request;
  const scores = typeof logprobs === 'number';
  const runs = prompts.flatMap((prompt) =>
    Array.from({ length: n }, (_, choice) => {
      const common: GenerateOptions = {
        maxTokens: clampMaxTokens(Math.max(1, request.max_tokens ?? usualTokens), prompt.length, model),
        ...(scores && { logprobs }),
        ...(scores && echo && { promptLogprobs: logprobs }),
      };
      return { prompt, options: { ...toGenerateOptions(request, choice), ...common } };
    }),
  );
  const choices = runs.map(({ prompt }) => new Choice(prompt, request, model));
  const events = await startGenerations(model, runs, call.lease);
  const answering: Answering = { context, call, model, events, choices, n };
  if (!request.stream) return Response.json(await whole(answering));
  return streamResponse(context, call, frames(answering, request.stream_options?.include_usage ?? false));
}

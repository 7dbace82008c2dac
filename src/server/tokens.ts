// POST /tokenize and /detokenize, GET /tokenizer_info, as in vLLM; lm-evaluation-harness reads them.
//
// Texts and lists of ids may have millions of elements, so they are written piece by piece, as fast as they are read.
import { promptEncoder, type TextModel } from '../engine/index.ts';
import { findModel, type ServerContext } from './context.ts';
import { ApiError } from './errors.ts';
import { jsonResponse } from './json-response.ts';
import type { DetokenizeRequest, TokenizeRequest } from './protocol.ts';
import { continuedMessages } from './request-messages.ts';

/** Ids that are written or decoded at once. */
const sliceLength = 4096;

/** Throws ApiError 422 unless there is one text or one conversation. */
async function encode(request: TokenizeRequest, { tokenizer }: TextModel, signal: AbortSignal): Promise<Int32Array> {
  const given = [request.prompt, request.content, request.messages].filter(
    (each) => each !== null && each !== undefined,
  );
  if (given.length > 1)
    throw new ApiError(422, 'prompt: expected one of prompt, content and messages', { param: 'prompt' });
  const encoder = promptEncoder(tokenizer);
  const { messages, chat_template_kwargs: variables } = request;
  if (messages)
    return (await encoder.chat(continuedMessages({ ...request, messages }), variables ?? {}, { signal })).ids;
  const text = request.prompt ?? request.content;
  if (typeof text !== 'string')
    throw new ApiError(422, 'prompt: expected a text, or messages instead of it', { param: 'prompt' });
  const addSpecialTokens = request.add_special_tokens ?? true;
  return encoder.text(text, { addSpecialTokens, plain: request.parse_special === false }, { signal });
}

export async function handleTokenize(
  context: ServerContext,
  request: TokenizeRequest,
  signal: AbortSignal,
): Promise<Response> {
  const model = findModel(context, request.model);
  const ids = await encode(request, model, signal);
  function* parts() {
    yield '{"tokens":[';
    for (let from = 0; from < ids.length; from += sliceLength)
      yield `${from > 0 ? ',' : ''}${ids.subarray(from, from + sliceLength).join()}`;
    yield `],"count":${ids.length},"max_model_len":${model.contextLength}}`;
  }
  return jsonResponse(parts());
}

export function handleDetokenize(context: ServerContext, { model, tokens }: DetokenizeRequest): Response {
  const { tokenizer } = findModel(context, model).tokenizer;
  const unknown = tokens.find((id) => !tokenizer.has(id));
  if (unknown !== undefined) tokenizer.tokenBytes(unknown); // throws
  function* parts() {
    const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
    const escaped = (text: string) => JSON.stringify(text).slice(1, -1);
    yield '{"prompt":"';
    for (let from = 0; from < tokens.length; from += sliceLength) {
      const bytes = Array.from(tokens.slice(from, from + sliceLength), (id) => tokenizer.tokenBytes(id));
      yield escaped(utf8.decode(Buffer.concat(bytes), { stream: true }));
    }
    yield `${escaped(utf8.decode())}"}`;
  }
  return jsonResponse(parts());
}

export function tokenizerInfo(context: ServerContext): Response {
  const { specialTokens, chatTemplate, tokenizer, bosId, eosIds, padId } = findModel(context, null).tokenizer;
  const { eos_token = null, bos_token = null, pad_token = null } = specialTokens;
  return Response.json({
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token,
    eos_token,
    pad_token,
    bos_token_id: bosId,
    eos_token_ids: eosIds,
    pad_token_id: padId,
    vocab_size: tokenizer.vocabSize,
    chat_template: chatTemplate?.text ?? null,
  });
}

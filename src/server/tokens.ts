// POST /tokenize and /detokenize, GET /tokenizer_info, as in vLLM; lm-evaluation-harness reads them.
import { chatPrompt, wellFormed } from '../engine/index.ts';
import { findModel, type ServerContext } from './context.ts';
import { ApiError } from './errors.ts';
import type { DetokenizeRequest, TokenizeRequest } from './protocol.ts';

/** Throws ApiError 422 unless there is one text or one conversation. */
export function handleTokenize(context: ServerContext, request: TokenizeRequest): Response {
  const model = findModel(context, request.model);
  const { tokenizer } = model.tokenizer;
  const given = [request.prompt, request.content, request.messages].filter(
    (each) => each !== null && each !== undefined,
  );
  if (given.length > 1)
    throw new ApiError(422, 'prompt: expected one of prompt, content and messages', { param: 'prompt' });
  const text = request.prompt ?? request.content;
  if (request.messages) {
    const { ids } = chatPrompt(model.tokenizer, request.messages, request.chat_template_kwargs ?? {});
    return Response.json({ tokens: [...ids], count: ids.length, max_model_len: model.contextLength });
  }
  if (typeof text !== 'string')
    throw new ApiError(422, 'prompt: expected a text, or messages instead of it', { param: 'prompt' });
  const ids = tokenizer.encode(wellFormed(text), {
    addSpecialTokens: request.add_special_tokens ?? true,
    plain: request.parse_special === false,
  });
  return Response.json({ tokens: [...ids], count: ids.length, max_model_len: model.contextLength });
}

export function handleDetokenize(context: ServerContext, { model, tokens }: DetokenizeRequest): Response {
  return Response.json({ prompt: findModel(context, model).tokenizer.tokenizer.decode(tokens) });
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

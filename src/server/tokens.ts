// POST /tokenize and /detokenize, GET /tokenizer_info, as in vLLM; lm-evaluation-harness reads them.
import { chatPrompt, wellFormed } from '../engine/index.ts';
import { findModel, type ServerContext } from './context.ts';
import { ApiError, validate } from './errors.ts';
import { detokenizeRequest, tokenizeRequest } from './protocol.ts';

export function handleTokenize(context: ServerContext, body: unknown): Response {
  const request = validate(tokenizeRequest, body);
  const model = findModel(context, request.model);
  const { tokenizer } = model.tokenizer;
  const text = request.prompt ?? request.content;
  if (request.messages) {
    const { ids } = chatPrompt(model.tokenizer, request.messages);
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

export function handleDetokenize(context: ServerContext, body: unknown): Response {
  const { model, tokens } = validate(detokenizeRequest, body);
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

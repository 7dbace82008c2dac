// POST /apply-template, as in llama.cpp: the prompt that a conversation becomes, as text and as token ids.
import { promptEncoder } from '../engine/index.ts';
import { findModel, type ServerContext } from './context.ts';
import { jsonPieces, jsonResponse } from './json-response.ts';
import type { ApplyTemplateRequest } from './protocol.ts';
import { continuedMessages } from './request-messages.ts';

export async function handleApplyTemplate(
  context: ServerContext,
  request: ApplyTemplateRequest,
  signal: AbortSignal,
): Promise<Response> {
  const { tokenizer, contextLength } = findModel(context, request.model);
  const variables = request.chat_template_kwargs ?? {};
  const { ids } = await promptEncoder(tokenizer).chat(continuedMessages(request), variables, { contextLength, signal });
  return jsonResponse(jsonPieces({ prompt: tokenizer.tokenizer.decode(ids), tokens: [...ids] }));
}

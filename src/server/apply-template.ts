// POST /apply-template, as in llama.cpp: the prompt that a conversation becomes, as text and as token ids.
import { promptEncoder } from '../engine/index.ts';
import { findModel, type ServerContext } from './context.ts';
import { jsonPieces, jsonResponse } from './json-response.ts';
import type { ApplyTemplateRequest } from './protocol.ts';

export async function handleApplyTemplate(
  context: ServerContext,
  { model, messages, chat_template_kwargs: variables }: ApplyTemplateRequest,
  signal: AbortSignal,
): Promise<Response> {
  const { tokenizer, contextLength } = findModel(context, model);
  const { ids } = await promptEncoder(tokenizer).chat(messages, variables ?? {}, { contextLength, signal });
  return jsonResponse(jsonPieces({ prompt: tokenizer.tokenizer.decode(ids), tokens: [...ids] }));
}

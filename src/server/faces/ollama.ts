// Ollama's API: POST /api/chat, /api/generate and /api/show, GET /api/tags, /api/ps and /api/version.
//
// Streams are JSON lines, the default. A model may be asked for as NAME:latest. What is not known of a model (its size,
// its family) is left out or empty.
import { createHash } from 'node:crypto';
import { type ChatMessage, promptEncoder, type TextModel } from '../../engine/index.ts';
import { compileConstraint } from '../answer-constraint.ts';
import { type Answer, answer, answerPrompts } from '../answering.ts';
import { findCallSyntax } from '../call-syntax.ts';
import { type Call, findModel, type ServerContext } from '../context.ts';
import type { Conversation } from '../conversation.ts';
import { ApiError, toApiError } from '../errors.ts';
import { jsonLines } from '../event-stream.ts';
import { checkSampling, clampMaxTokens, toGenerateOptions } from '../generating.ts';
import { jsonPieces, jsonResponse } from '../json-response.ts';
import { streamResponse } from '../stream-response.ts';
import { errorBody } from './error-shapes.ts';
import type {
  OllamaChatRequest,
  OllamaGenerateRequest,
  OllamaMessage,
  OllamaShared,
  OllamaShowRequest,
} from './ollama-protocol.ts';
import { answerObjects, type WritePiece, wholeAnswer, writeMessage, writeResponse } from './ollama-writer.ts';

/** Finds a model by its name, with or without Ollama's tag. */
function modelName({ models, aliases }: ServerContext, name: string): string {
  const isServed = Object.hasOwn(aliases, name) || models.some((model) => model.name === name);
  return isServed ? name : name.replace(/:latest$/, '');
}

/** Calls and results have no ids here: a result is of the first call of its name that has none yet. */
function readMessages(given: readonly OllamaMessage[]): ChatMessage[] {
  const waiting: { readonly id: string; readonly name: string }[] = [];
  return given.map(({ role, content, thinking, tool_calls: calls, tool_name: name, tool_call_id: own }, i) => {
    const made = (calls ?? []).map(({ id, function: called }, j) => ({
      id: id ?? `call_${i}_${j}`,
      type: 'function' as const,
      function: { name: called.name, arguments: JSON.stringify(called.arguments) },
    }));
    waiting.push(...made.map((call) => ({ id: call.id, name: call.function.name })));
    const at = Math.max(
      0,
      waiting.findIndex((call) => call.name === name),
    );
    const [answered] = role === 'tool' ? waiting.splice(at, 1) : [];
    return {
      role,
      content: content ?? '',
      ...(thinking && { reasoning_content: thinking }),
      ...(made.length > 0 && { tool_calls: made }),
      ...(role === 'tool' && { tool_call_id: own ?? answered?.id ?? '', ...(name && { name }) }),
    };
  });
}

type Shared = Omit<Conversation, 'messages' | 'tools' | 'toolChoice'>;

function readShared(context: ServerContext, request: OllamaShared): Shared {
  const { format, think, options, logprobs, top_logprobs: top } = request;
  const model = modelName(context, request.model);
  const { contextLength } = findModel(context, model);
  if (options?.num_ctx && options.num_ctx > contextLength)
    throw new ApiError(400, `options.num_ctx: the context is ${contextLength} tokens here: leave it out`, {
      param: 'options.num_ctx',
    });
  const predict = options?.num_predict ?? -1;
  if (predict === 0)
    throw new ApiError(422, 'options.num_predict: expected 1 or more, or -1', { param: 'options.num_predict' });
  return {
    model,
    parallelToolCalls: true,
    format: !format
      ? null
      : { constraint: format === 'json' ? { kind: 'object' } : { kind: 'schema', schema: format }, path: 'format' },
    thinking: {
      thinking: typeof think === 'boolean' ? { type: think ? 'enabled' : 'disabled' } : null,
      reasoning_effort: typeof think === 'string' ? think : null,
    },
    sampling: {
      temperature: options?.temperature,
      top_k: options?.top_k,
      top_p: options?.top_p,
      min_p: options?.min_p,
      repetition_penalty: options?.repeat_penalty,
      presence_penalty: options?.presence_penalty,
      frequency_penalty: options?.frequency_penalty,
      seed: options?.seed === -1 ? null : options?.seed,
      stop: options?.stop,
    },
    maxTokens: predict < 0 ? null : predict,
    logprobs: logprobs ? (top ?? 0) : null,
  };
}

type Given = Pick<Answer, 'model' | 'events'>;

async function respond(
  context: ServerContext,
  request: OllamaShared,
  call: Call,
  given: Given,
  write: WritePiece,
): Promise<Response> {
  const top = request.logprobs ? (request.top_logprobs ?? 0) : null;
  if (request.stream === false) return jsonResponse(jsonPieces(await wholeAnswer(given, request.model, top, write)));
  async function* frames(): AsyncGenerator<string> {
    try {
      for await (const each of answerObjects(given, request.model, top, write)) yield `${JSON.stringify(each)}\n`;
    } catch (error) {
      const problem = toApiError(error);
      if (problem.status === 500) context.onError(error);
      yield `${JSON.stringify(errorBody('ollama', problem, call.record.id))}\n`;
    }
  }
  return streamResponse(context, call, frames(), jsonLines);
}

/** Throws ApiError, RefusedError or TokenizerError; see toApiError. */
export async function handleOllamaChat(
  context: ServerContext,
  request: OllamaChatRequest,
  call: Call,
): Promise<Response> {
  const tools = (request.tools ?? []).map(({ function: { name, description, parameters } }, i) => ({
    name,
    description: description ?? null,
    parameters: parameters ?? { type: 'object', properties: {} },
    isStrict: false,
    path: `tools[${i}].function.parameters`,
  }));
  const conversation: Conversation = {
    ...readShared(context, request),
    messages: readMessages(request.messages),
    tools,
    toolChoice: tools.length > 0 ? 'auto' : 'none',
  };
  return respond(context, request, call, await answer(context, conversation, call), writeMessage);
}

/** Continues a prompt that is not put in the template, or fills in before a suffix. */
async function continuePrompt(context: ServerContext, request: OllamaGenerateRequest, call: Call): Promise<Given> {
  const { model: name, sampling, maxTokens, logprobs, format, thinking } = readShared(context, request);
  const model = findModel(context, name);
  const field = request.system ? 'system' : request.think ? 'think' : null;
  if (field !== null || thinking.reasoning_effort)
    throw new ApiError(400, `${field ?? 'think'}: cannot be combined with raw or suffix: leave it out`, {
      param: field ?? 'think',
    });
  checkSampling(sampling, model);
  const constraint = await compileConstraint({ format, tools: [], sampling }, null, model);
  const limits = { contextLength: model.contextLength, signal: call.lease.signal };
  const encoder = promptEncoder(model.tokenizer);
  const prompt =
    typeof request.suffix === 'string'
      ? await encoder.fillIn(request.prompt ?? '', request.suffix, limits)
      : await encoder.text(request.prompt ?? '', { addSpecialTokens: true }, limits);
  const options = {
    ...toGenerateOptions(sampling, 0, call),
    raw: true,
    maxTokens: clampMaxTokens(maxTokens, prompt.length, model),
    ...(logprobs !== null && { logprobs }),
    ...(constraint !== null && { constraint }),
  };
  return { model, events: answerPrompts(context, call, model, [{ prompt, options }]) };
}

/** Throws ApiError, RefusedError or TokenizerError; see toApiError. */
export async function handleOllamaGenerate(
  context: ServerContext,
  request: OllamaGenerateRequest,
  call: Call,
): Promise<Response> {
  if (request.raw || typeof request.suffix === 'string')
    return respond(context, request, call, await continuePrompt(context, request, call), writeResponse);
  const system: ChatMessage[] = request.system ? [{ role: 'system', content: request.system }] : [];
  const conversation: Conversation = {
    ...readShared(context, request),
    messages: [...system, { role: 'user', content: request.prompt ?? '' }],
    tools: [],
    toolChoice: 'none',
  };
  return respond(context, request, call, await answer(context, conversation, call), writeResponse);
}

const details = { parent_model: '', format: '', family: '', families: [], parameter_size: '', quantization_level: '' };

function describe({ startedAt }: ServerContext, name: string, { fingerprint }: TextModel) {
  const digest = createHash('sha256').update(fingerprint).digest('hex');
  return { name, model: name, modified_at: new Date(1000 * startedAt).toISOString(), digest, details };
}

/** The models that run are those that are served. */
export function listOllamaModels(context: ServerContext): Response {
  const { models, aliases } = context;
  const others = Object.keys(aliases).map((alias) => describe(context, alias, findModel(context, alias)));
  return Response.json({ models: [...models.map((model) => describe(context, model.name, model)), ...others] });
}

export function showOllamaModel(context: ServerContext, request: OllamaShowRequest): Response {
  const name = request.model ?? request.name;
  const model = findModel(context, name ? modelName(context, name) : null);
  const template = model.tokenizer.chatTemplate?.text ?? '';
  const { modified_at } = describe(context, model.name, model);
  return Response.json({
    modelfile: '',
    parameters: '',
    template,
    details,
    model_info: { 'general.basename': model.name, 'general.context_length': model.contextLength },
    capabilities: [
      'completion',
      ...(template.includes('think') ? ['thinking'] : []),
      ...(findCallSyntax(template) !== null ? ['tools'] : []),
    ],
    modified_at,
  });
}

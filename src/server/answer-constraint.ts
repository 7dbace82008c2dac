// What the answer to a conversation must be: its format, and calls of the functions that it offers.
import { constraintCompiler, type TextModel } from '../engine/index.ts';
import { type CallConstraint, type CompiledConstraint, type Constraint, GrammarError } from '../grammar/index.ts';
import { findCallSyntax } from './call-syntax.ts';
import type { Conversation } from './conversation.ts';
import { ApiError } from './errors.ts';

function refuse(param: string, problem: string): never {
  throw new ApiError(400, `${param}: ${problem}`, { param, code: 'unsupported_parameter' });
}

/**
 * Returns the calls that an answer may have; null: none. Throws ApiError 400 for a model that calls no functions, and
 * for a choice that is not offered.
 */
export function offeredTools(conversation: Conversation, { tokenizer }: TextModel): CallConstraint | null {
  const { tools, toolChoice, parallelToolCalls, format } = conversation;
  if (typeof toolChoice === 'object' && !tools.some(({ name }) => name === toolChoice.name))
    refuse('tool_choice', `there is no function ${JSON.stringify(toolChoice.name)} in tools: add it`);
  if (toolChoice === 'required' && tools.length === 0) refuse('tool_choice', 'needs tools: add one, or leave it out');
  if (tools.length === 0 || toolChoice === 'none') return null;
  for (const [i, { name }] of tools.entries()) {
    if (!/^[A-Za-z0-9_.-]{1,128}$/.test(name))
      refuse('tools', `${JSON.stringify(name)} is no name of a function: use letters, digits, _ . and -`);
    if (tools.findIndex((each) => each.name === name) < i) refuse('tools', `${name} stands twice: rename one`);
  }
  const syntax = findCallSyntax(tokenizer.chatTemplate?.text ?? '');
  if (syntax === null)
    refuse('tools', "this model's chat template has no calls of functions: describe them in a system message");
  const chosen = tools.filter(({ name }) => typeof toolChoice === 'string' || name === toolChoice.name);
  return {
    kind: 'calls',
    syntax,
    functions: chosen.map(({ name, parameters, isStrict }) => ({ name, schema: parameters, isStrict })),
    isRequired: toolChoice !== 'auto',
    isParallel: parallelToolCalls,
    otherwise: format?.constraint ?? null,
  };
}

/** What says what an answer must be. */
type Demand = Pick<Conversation, 'format' | 'tools' | 'sampling'>;

function toApiError(error: GrammarError, { tools, format }: Demand): ApiError {
  const tool = error.callee === null ? undefined : tools.find(({ name }) => name === error.callee);
  const path = tool?.path ?? (error.callee === null ? format?.path : undefined) ?? 'tools';
  const param = error.pointer ? `${path}#${error.pointer}` : path;
  return new ApiError(400, `${param}: ${error.problem}`, { param, code: 'unsupported_schema' });
}

/** Compiles what the answer must be; null: any text. Throws ApiError 400, with a JSON pointer into a schema. */
export async function compileConstraint(
  demand: Demand,
  calls: CallConstraint | null,
  { tokenizer, vocabSize }: TextModel,
): Promise<CompiledConstraint | null> {
  const constraint: Constraint | null = calls ?? demand.format?.constraint ?? null;
  if (constraint === null) return null;
  if (tokenizer.eosIds.length === 0)
    refuse(demand.format?.path ?? 'tools', 'this model has no token that ends an answer: ask in words');
  const { ignore_eos: ignoreEos, min_tokens: minTokens } = demand.sampling;
  if (ignoreEos) refuse('ignore_eos', 'an answer with a format or functions ends where it is complete: leave it out');
  if (minTokens) refuse('min_tokens', 'an answer with a format or functions ends where it is complete: leave it out');
  try {
    return await constraintCompiler(tokenizer, vocabSize).compile(constraint);
  } catch (error) {
    if (error instanceof GrammarError) throw toApiError(error, demand);
    throw error;
  }
}

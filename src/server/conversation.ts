// A conversation to be answered, and the events of its answer: what every protocol is read into and written from.
//
// A face reads a request into a Conversation and writes AnswerEvents in its words; answering.ts stands between. What
// a face cannot express it refuses by name. Messages are those of the chat API: texts, thinking, calls, results.
import type { ChatMessage, GenerationEnd, GenerationPart } from '../engine/index.ts';
import type { Constraint, JsonSchema } from '../grammar/index.ts';
import type { ChatRequest, SamplingRequest } from './protocol.ts';

/** A function that the model may call. */
export interface Tool {
  readonly name: string;
  readonly description: string | null;
  /** The schema of its arguments, an object. */
  readonly parameters: JsonSchema;
  /** Whether its arguments are held to the schema token by token. */
  readonly isStrict: boolean;
  /** Where the schema stands in the request, for errors: `tools[0].function.parameters`. */
  readonly path: string;
}

/** auto: the model decides; required: it calls some function; a name: it calls this one. */
export type ToolChoice = 'auto' | 'none' | 'required' | { readonly name: string };

/** What the answer must be, and where the request says so, for errors: `response_format.json_schema.schema`. */
export interface AnswerFormat {
  readonly constraint: Constraint;
  readonly path: string;
}

export interface Conversation {
  /** null: the first model that is served. */
  readonly model: string | null | undefined;
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly Tool[];
  readonly toolChoice: ToolChoice;
  /** Whether the model may call several functions at once. */
  readonly parallelToolCalls: boolean;
  /** null: any text. */
  readonly format: AnswerFormat | null;
  /** Switches of the thinking, as in the chat API. */
  readonly thinking: Pick<ChatRequest, 'thinking' | 'reasoning_effort' | 'chat_template_kwargs'>;
  /** Sampling, stops, and the number of answers, as in the chat API. */
  readonly sampling: SamplingRequest;
  /** null: what the context leaves. */
  readonly maxTokens: number | null | undefined;
  /** The number of alternatives with each token; null: no log-probabilities. */
  readonly logprobs: number | null;
  /** The same with each token of the prompt. @default none */
  readonly promptLogprobs?: number | null | undefined;
}

/** The model calls a function; its arguments follow. */
export interface ToolCallStart {
  readonly type: 'tool-call';
  /** The place among the calls of the answer, from 0. */
  readonly index: number;
  readonly id: string;
  readonly name: string;
}

/** More of the arguments of the latest call, a JSON text. */
export interface ToolCallArguments {
  readonly type: 'tool-arguments';
  readonly index: number;
  readonly text: string;
}

export interface ToolCallEnd {
  readonly type: 'tool-end';
  readonly index: number;
}

/** The last event of an answer. */
export interface AnswerEnd extends GenerationEnd {
  /** The number of function calls in the answer. */
  readonly calls: number;
}

/** Parts are the text of the thinking and of the answer; calls are not in them. */
export type AnswerEvent = GenerationPart | ToolCallStart | ToolCallArguments | ToolCallEnd | AnswerEnd;

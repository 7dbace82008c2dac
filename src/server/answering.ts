// From a conversation to the events of its answer, whatever protocol asks and writes them.
import type { GenerateOptions, GenerationEvent, TextModel } from '../engine/index.ts';
import { compileConstraint, offeredTools } from './answer-constraint.ts';
import { type Call, findModel, type ServerContext } from './context.ts';
import type { AnswerEvent, Conversation } from './conversation.ts';
import { renderConversation } from './conversation-prompt.ts';
import { checkSampling, clampMaxTokens, startGenerations, toFailure, toGenerateOptions } from './generating.ts';
import { ToolCallReader } from './tool-calls.ts';

export type IndexedAnswerEvent = readonly [choice: number, event: AnswerEvent];

export interface Answer {
  readonly model: TextModel;
  readonly prompt: Int32Array;
  /** Whether the prompt ends inside the thinking. */
  readonly startsThinking: boolean;
  /** The events of all choices as they arrive; each choice ends with `end`. Throws what fails later. */
  readonly events: AsyncIterable<IndexedAnswerEvent>;
}

/** A prompt, and how it is continued. */
export interface Generation {
  readonly prompt: ArrayLike<number>;
  readonly options: GenerateOptions;
  /** Finds calls of functions in the answer. @default there are none */
  readonly calls?: ToolCallReader | undefined;
}

/** Starts generations, one for each choice. Throws RefusedError when the engine refuses one of them at once. */
export function answerPrompts(
  { metrics }: ServerContext,
  { lease, record }: Call,
  model: TextModel,
  generations: readonly Generation[],
): AsyncGenerator<IndexedAnswerEvent> {
  const events = startGenerations(model, generations, lease);
  const plain = (event: GenerationEvent): AnswerEvent[] => (event.type === 'end' ? [{ ...event, calls: 0 }] : [event]);
  const readers = generations.map(({ calls }) => (calls ? (event: GenerationEvent) => calls.read(event) : plain));
  async function* readAll(): AsyncGenerator<IndexedAnswerEvent> {
    for await (const [index, event] of events) {
      if (event.type === 'end') {
        metrics.observe(model.name, event);
        record.add(model.name, event);
        const failure = toFailure(event, lease);
        if (failure !== null) throw failure;
      }
      for (const each of readers[index](event)) yield [index, each];
    }
  }
  return readAll();
}

/** Starts the answers to a conversation. Throws ApiError, RefusedError or TokenizerError; see toApiError. */
export async function answer(context: ServerContext, conversation: Conversation, call: Call): Promise<Answer> {
  const model = findModel(context, conversation.model);
  const { sampling, maxTokens, logprobs, promptLogprobs } = conversation;
  checkSampling(sampling, model);
  const tools = offeredTools(conversation, model);
  const constraint = await compileConstraint(conversation, tools, model);
  const { ids, startsThinking, reasoningBudget } = await renderConversation(conversation, model, call);
  const generations = Array.from({ length: sampling.n ?? 1 }, (_, choice): Generation => {
    const options = {
      ...toGenerateOptions(sampling, choice, call),
      startsThinking,
      ...(reasoningBudget !== null && { reasoningBudget }),
      maxTokens: clampMaxTokens(maxTokens, ids.length, model),
      ...(logprobs !== null && { logprobs }),
      ...(typeof promptLogprobs === 'number' && { promptLogprobs }),
      ...(constraint !== null && { constraint }),
    };
    return { prompt: ids, options, calls: tools ? new ToolCallReader(tools) : undefined };
  });
  const events = answerPrompts(context, call, model, generations);
  return { model, prompt: ids, startsThinking, events };
}

// The messages of a chat request as they are rendered: the last one continued, earlier thinking by the profile.
import { ApiError } from './errors.ts';
import type { Profile } from './profiles.ts';
import type { ChatMessage, ChatRequest } from './protocol.ts';

function refuse(param: string, problem: string): never {
  throw new ApiError(400, `${param}: ${problem}`, { param, code: 'unsupported_parameter' });
}

type Continued = Pick<ChatRequest, 'messages' | 'continue_final_message' | 'add_generation_prompt'>;

/** Marks the last message as one to be continued, where the request asks so. Throws ApiError 400. */
export function continuedMessages(request: Continued): readonly ChatMessage[] {
  const { messages, continue_final_message: continues, add_generation_prompt: begins } = request;
  if (!continues && begins === false)
    refuse(
      'add_generation_prompt',
      'false is for continue_final_message: true; or send your own prompt to /v1/completions',
    );
  if (!continues) return messages;
  if (begins) refuse('add_generation_prompt', 'contradicts continue_final_message: leave it out');
  const last = messages[messages.length - 1];
  if (last.role !== 'assistant' || (last.tool_calls?.length ?? 0) > 0)
    refuse('continue_final_message', 'the last message is no text of the assistant: leave it out');
  return [...messages.slice(0, -1), { ...last, prefix: true }];
}

/** Returns messages with the thinking of earlier answers as the profile has it. Throws ApiError 400. */
export function withEarlierThinking(
  messages: readonly ChatMessage[],
  { earlierThinking }: Profile,
): readonly ChatMessage[] {
  if (earlierThinking === 'given') return messages;
  return messages.map((message, i) => {
    const { reasoning_content: thinking, reasoning, ...rest } = message;
    if (message.prefix || (!thinking && !reasoning)) return message;
    if (earlierThinking === 'refused')
      refuse(
        `messages[${i}].${thinking ? 'reasoning_content' : 'reasoning'}`,
        'this server takes no thinking of earlier answers: leave it out',
      );
    return rest;
  });
}

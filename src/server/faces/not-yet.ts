// What the faces read and answering.ts does not answer yet: functions, and formats of the answer. Refused, not ignored.
import type { Conversation } from '../conversation.ts';
import { ApiError } from '../errors.ts';

/** Returns the conversation. Throws ApiError 400 for one with functions to call or with a format. */
export function withoutConstraints(conversation: Conversation): Conversation {
  const { tools, toolChoice, format } = conversation;
  const param = tools.length > 0 && toolChoice !== 'none' ? 'tools' : (format?.path ?? null);
  if (param === null) return conversation;
  const remedy = param === 'tools' ? 'describe the functions in a system message' : 'ask for the format in words';
  throw new ApiError(400, `${param} is not supported yet: ${remedy}`, { param, code: 'unsupported_parameter' });
}

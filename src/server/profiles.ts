// Profiles: what differs between the APIs that clients expect, where one answer cannot be right for all of them.
//
// Sources: api-docs.deepseek.com (reasoning model, chat completion), OpenAI's reference of chat completions.

export interface Profile {
  /** Whether answers have their thinking as `reasoning_content`, unless the request says it in `include_reasoning`. */
  readonly showsThinking: boolean;
  /** Whether chunks have `usage`, null but for the last one, unless the request says it in `stream_options`. */
  readonly streamsUsage: boolean;
  /** What becomes of the thinking of earlier answers in a request: the template gets it, or not, or it is refused. */
  readonly earlierThinking: 'given' | 'dropped' | 'refused';
}

export const profiles = {
  /** DeepSeek's API today: the thinking may be sent back, and its template says where it is kept. */
  deepseek: { showsThinking: true, streamsUsage: true, earlierThinking: 'given' },
  /** As V3.1 was served: the thinking of earlier answers is dropped. */
  'deepseek-v3.1': { showsThinking: true, streamsUsage: true, earlierThinking: 'dropped' },
  /** As V3 and R1 were served: the thinking of earlier answers is an error. */
  'deepseek-r1': { showsThinking: true, streamsUsage: true, earlierThinking: 'refused' },
  /** OpenAI's: chat shows no thinking, and a stream has usage only where it is asked for. */
  openai: { showsThinking: false, streamsUsage: false, earlierThinking: 'dropped' },
} as const satisfies Record<string, Profile>;

export type ProfileName = keyof typeof profiles;

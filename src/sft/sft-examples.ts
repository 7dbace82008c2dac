// Conversations as SFT examples: rendered by the model's own chat template, with the assistant's tokens learned.
//
// Contract: an assistant's turn is learned exactly where the engine would generate it: after the prompt that chat makes
// of the messages before it, up to and including the end token. Turns share one example while each prompt continues the
// example so far; a template that changes earlier turns (thinking is dropped, say) starts a further example.
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { encodeResponse, toResponse } from '../corpus/index.ts';
import { promptEncoder } from '../engine/index.ts';
import type { LoadedTokenizer } from '../tokenizer/index.ts';
import { TrainError } from '../train/index.ts';
import type { SftExample } from './sft-objective.ts';

const message = z.object({ role: z.enum(['system', 'user', 'assistant', 'tool']), content: z.string() });

const conversation = z.object({
  messages: z.array(message).refine((messages) => messages.some(({ role }) => role === 'assistant'), {
    message: 'no message has the role "assistant"',
  }),
});

export type ConversationMessage = z.infer<typeof message>;

function parseLine(line: string, where: string): readonly ConversationMessage[] {
  const refuse = (problem: string): never => {
    const remedy =
      'write {"messages":[{"role":"user","content":"..."},{"role":"assistant","content":"..."}]} on the line';
    throw new TrainError(where, `is no conversation: ${problem}`, remedy);
  };
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch (error) {
    return refuse((error as Error).message);
  }
  const checked = conversation.safeParse(json);
  if (checked.success) return checked.data.messages;
  return refuse(checked.error.issues.map((issue) => `${issue.path.join('.') || 'line'}: ${issue.message}`).join('; '));
}

/** Reads files of conversations, one JSON object per line. Throws TrainError with file and line where one is wrong. */
export async function readConversations(files: readonly string[]): Promise<(readonly ConversationMessage[])[]> {
  const conversations: (readonly ConversationMessage[])[] = [];
  for (const file of files) {
    const input = createReadStream(file, 'utf8');
    let number = 0;
    try {
      for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
        number++;
        if (line.trim() !== '') conversations.push(parseLine(line, `${file}:${number}`));
      }
    } catch (error) {
      if (error instanceof TrainError) throw error;
      throw new TrainError(file, `cannot be read (${(error as Error).message})`, 'name a JSONL file of conversations');
    }
  }
  return conversations;
}

const isPrefix = (prefix: readonly number[], ids: ArrayLike<number>) =>
  prefix.length <= ids.length && prefix.every((id, i) => id === ids[i]);

/**
 * Converts a conversation to examples, of which most templates need one. Throws if the template refuses the messages.
 */
export async function toExamples(
  messages: readonly ConversationMessage[],
  loaded: LoadedTokenizer,
  endId: number,
): Promise<SftExample[]> {
  const examples: { ids: number[]; mask: number[] }[] = [];
  for (const [i, { role, content }] of messages.entries()) {
    if (role !== 'assistant') continue;
    const prompt = await promptEncoder(loaded).chat(messages.slice(0, i));
    let example = examples.at(-1);
    if (example === undefined || !isPrefix(example.ids, prompt.ids)) {
      example = { ids: [], mask: [] };
      examples.push(example);
    }
    const given = prompt.ids.subarray(example.ids.length);
    const response = [...encodeResponse(loaded.tokenizer, toResponse(content, prompt.startsThinking)), endId];
    example.ids.push(...given, ...response);
    example.mask.push(...Array<number>(given.length).fill(0), ...Array<number>(response.length).fill(1));
  }
  return examples;
}

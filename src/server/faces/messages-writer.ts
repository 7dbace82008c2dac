// Events of an answer as Anthropic's events, and as one message: the message is its events put together.
//
// A block is open while its kind of text comes: thinking, text, or a call with its arguments.
import type { Answer } from '../answering.ts';
import type { AnswerEnd, AnswerEvent } from '../conversation.ts';
import { totalUsage } from '../generating.ts';
import type { AnswerBlock, AnthropicMessage, AnthropicUsage } from './messages-protocol.ts';

type Delta =
  | { readonly type: 'thinking_delta'; readonly thinking: string }
  | { readonly type: 'signature_delta'; readonly signature: string }
  | { readonly type: 'text_delta'; readonly text: string }
  | { readonly type: 'input_json_delta'; readonly partial_json: string };

interface StopFields {
  readonly stop_reason: AnthropicMessage['stop_reason'];
  readonly stop_sequence: string | null;
}

export type MessageEvent =
  | { readonly type: 'message_start'; readonly message: AnthropicMessage }
  | { readonly type: 'content_block_start'; readonly index: number; readonly content_block: AnswerBlock }
  | { readonly type: 'content_block_delta'; readonly index: number; readonly delta: Delta }
  | { readonly type: 'content_block_stop'; readonly index: number }
  | { readonly type: 'message_delta'; readonly delta: StopFields; readonly usage: AnthropicUsage }
  | { readonly type: 'message_stop' };

function toUsage(end: AnswerEnd): AnthropicUsage {
  const total = totalUsage([end], 1);
  return {
    input_tokens: total.prompt_cache_miss_tokens,
    output_tokens: total.completion_tokens,
    cache_read_input_tokens: total.prompt_cache_hit_tokens,
    cache_creation_input_tokens: 0,
  };
}

function toStop({ finishReason, stopText, calls }: AnswerEnd): StopFields {
  if (finishReason === 'length') return { stop_reason: 'max_tokens', stop_sequence: null };
  if (stopText !== null) return { stop_reason: 'stop_sequence', stop_sequence: stopText };
  return { stop_reason: calls > 0 ? 'tool_use' : 'end_turn', stop_sequence: null };
}

/** The blocks of an answer: which one is open, and the events that open, continue and close it. */
class Blocks {
  readonly #signature: string;
  #index = -1;
  #open: AnswerBlock['type'] | null = null;

  constructor(signature: string) {
    this.#signature = signature;
  }

  *close(): Generator<MessageEvent> {
    const index = this.#index;
    const signature = { type: 'signature_delta', signature: this.#signature } as const;
    if (this.#open === 'thinking') yield { type: 'content_block_delta', index, delta: signature };
    if (this.#open !== null) yield { type: 'content_block_stop', index };
    this.#open = null;
  }

  *write(event: Exclude<AnswerEvent, AnswerEnd>): Generator<MessageEvent> {
    if (event.type === 'tool-call') {
      yield* this.#start({ type: 'tool_use', id: event.id, name: event.name, input: {} });
    } else if (event.type === 'tool-arguments') {
      yield this.#delta({ type: 'input_json_delta', partial_json: event.text });
    } else if (event.type === 'tool-end') {
      yield* this.close();
    } else if (event.text !== '') {
      const { channel, text } = event;
      const kind = channel === 'thinking' ? 'thinking' : 'text';
      if (this.#open !== kind)
        yield* this.#start(
          kind === 'text' ? { type: kind, text: '', citations: null } : { type: kind, thinking: '', signature: '' },
        );
      yield this.#delta(kind === 'text' ? { type: 'text_delta', text } : { type: 'thinking_delta', thinking: text });
    }
  }

  *#start(block: AnswerBlock): Generator<MessageEvent> {
    yield* this.close();
    this.#open = block.type;
    this.#index++;
    yield { type: 'content_block_start', index: this.#index, content_block: block };
  }

  #delta(delta: Delta): MessageEvent {
    return { type: 'content_block_delta', index: this.#index, delta };
  }
}

export async function* messageEvents({ model, prompt, events }: Answer): AsyncGenerator<MessageEvent> {
  const message: AnthropicMessage = {
    id: `msg_${crypto.randomUUID().replaceAll('-', '')}`,
    type: 'message',
    role: 'assistant',
    model: model.name,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: {
      input_tokens: prompt.length,
      output_tokens: 0,
      cache_read_input_tokens: 0,
      cache_creation_input_tokens: 0,
    },
  };
  yield { type: 'message_start', message };
  const blocks = new Blocks(model.fingerprint);
  for await (const [, event] of events) {
    if (event.type !== 'end') {
      yield* blocks.write(event);
      continue;
    }
    yield* blocks.close();
    yield { type: 'message_delta', delta: toStop(event), usage: toUsage(event) };
    yield { type: 'message_stop' };
  }
}

/** A block whose texts still grow. */
interface GrowingBlock {
  readonly block: AnswerBlock;
  text: string;
  signature: string;
}

/** Arguments that max_tokens or a stop text cut off are none; the message says so in its stop_reason. */
function readInput(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function finish({ block, text, signature }: GrowingBlock): AnswerBlock {
  if (block.type === 'thinking') return { ...block, thinking: text, signature };
  if (block.type === 'text') return { ...block, text };
  return { ...block, input: readInput(text) };
}

export async function wholeMessage(answer: Answer): Promise<AnthropicMessage> {
  let message: Partial<AnthropicMessage> = {};
  const content: GrowingBlock[] = [];
  for await (const event of messageEvents(answer)) {
    if (event.type === 'message_start') message = event.message;
    else if (event.type === 'content_block_start')
      content.push({ block: event.content_block, text: '', signature: '' });
    else if (event.type === 'content_block_delta') {
      const { delta } = event;
      const grown = content[event.index];
      if (delta.type === 'text_delta') grown.text += delta.text;
      else if (delta.type === 'thinking_delta') grown.text += delta.thinking;
      else if (delta.type === 'input_json_delta') grown.text += delta.partial_json;
      else grown.signature = delta.signature;
    } else if (event.type === 'message_delta') message = { ...message, ...event.delta, usage: event.usage };
  }
  return { ...message, content: content.map(finish) } as AnthropicMessage;
}

// Events of an answer as those of OpenAI's Responses: items of reasoning, of text, and of calls, each with its parts.
import type { GeneratedToken, TextModel } from '../../engine/index.ts';
import type { AnswerEnd, AnswerEvent } from '../conversation.ts';
import type { TokenLogprob } from '../protocol-responses.ts';
import { chatToken } from '../token-text.ts';
import { hideThinking } from './responses-input.ts';
import type { OutputItem, ResponsesRequest } from './responses-protocol.ts';

export interface ResponseEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

const newId = (prefix: string) => `${prefix}_${crypto.randomUUID().replaceAll('-', '')}`;

type Kind = OutputItem['type'];

/** The item that is being written: `text` is its thinking, its text, or its arguments so far. */
interface OpenItem {
  readonly item: OutputItem;
  text: string;
  readonly logprobs: TokenLogprob[];
}

/** Writes the items of one answer; `output` has those that are complete. */
export class OutputWriter {
  readonly output: OutputItem[] = [];
  readonly #model: TextModel;
  readonly #request: ResponsesRequest;
  /** Alternatives with each token; null: no log-probabilities. */
  readonly #top: number | null;
  #open: OpenItem | null = null;

  constructor(model: TextModel, request: ResponsesRequest, top: number | null) {
    this.#model = model;
    this.#request = request;
    this.#top = top;
  }

  *write(event: Exclude<AnswerEvent, AnswerEnd>): Generator<ResponseEvent> {
    if (event.type === 'tool-call') {
      const { id, name } = event;
      const call = { id: newId('fc'), status: 'in_progress', call_id: id, name, arguments: '' } as const;
      yield* this.#start({ type: 'function_call', ...call });
    } else if (event.type === 'tool-arguments') yield* this.#grow(event.text, []);
    else if (event.type === 'tool-end') yield* this.close('completed');
    else {
      const kind = event.channel === 'thinking' ? 'reasoning' : 'message';
      if (event.text === '' && (this.#top === null || this.#open?.item.type !== kind)) return;
      if (this.#open?.item.type !== kind) yield* this.#start(this.#newItem(kind));
      yield* this.#grow(event.text, event.tokens);
    }
  }

  /** Ends the item that is open. */
  *close(status: 'completed' | 'incomplete'): Generator<ResponseEvent> {
    if (this.#open === null) return;
    const { item: begun, text, logprobs } = this.#open;
    const item = this.#finish(begun, text, logprobs, status);
    this.#open = null;
    const at = { item_id: item.id, output_index: this.output.length };
    const first = { ...at, content_index: 0 };
    if (item.type === 'function_call') {
      yield { type: 'response.function_call_arguments.done', ...at, name: item.name, arguments: text };
    } else if (item.type === 'message') {
      yield { type: 'response.output_text.done', ...first, text, logprobs };
      yield { type: 'response.content_part.done', ...first, part: item.content[0] };
    } else {
      yield { type: 'response.reasoning_text.done', ...first, text };
      yield { type: 'response.content_part.done', ...first, part: item.content[0] };
      const [summary] = item.summary;
      if (summary !== undefined) {
        yield { type: 'response.reasoning_summary_text.done', ...at, summary_index: 0, text };
        yield { type: 'response.reasoning_summary_part.done', ...at, summary_index: 0, part: summary };
      }
    }
    yield { type: 'response.output_item.done', output_index: at.output_index, item };
    this.output.push(item);
  }

  #newItem(kind: Exclude<Kind, 'function_call'>): OutputItem {
    if (kind === 'message')
      return { type: kind, id: newId('msg'), status: 'in_progress', role: 'assistant', content: [] };
    return { type: kind, id: newId('rs'), status: 'in_progress', summary: [], content: [], encrypted_content: null };
  }

  #finish(item: OutputItem, text: string, logprobs: TokenLogprob[], status: OutputItem['status']): OutputItem {
    if (item.type === 'function_call') return { ...item, status, arguments: text };
    if (item.type === 'message')
      return { ...item, status, content: [{ type: 'output_text', text, annotations: [], logprobs }] };
    const { reasoning, include } = this.#request;
    return {
      ...item,
      status,
      summary: reasoning?.summary ? [{ type: 'summary_text', text }] : [],
      content: [{ type: 'reasoning_text', text }],
      encrypted_content: include?.includes('reasoning.encrypted_content') ? hideThinking(text) : null,
    };
  }

  *#start(item: OutputItem): Generator<ResponseEvent> {
    yield* this.close('completed');
    this.#open = { item, text: '', logprobs: [] };
    const output_index = this.output.length;
    const at = { item_id: item.id, output_index };
    yield { type: 'response.output_item.added', output_index, item };
    if (item.type === 'reasoning' && this.#request.reasoning?.summary) {
      const part = { type: 'summary_text', text: '' };
      yield { type: 'response.reasoning_summary_part.added', ...at, summary_index: 0, part };
    }
    const parts = {
      reasoning: { type: 'reasoning_text', text: '' },
      message: { type: 'output_text', text: '', annotations: [], logprobs: [] },
      function_call: null,
    };
    const part = parts[item.type];
    if (part !== null) yield { type: 'response.content_part.added', ...at, content_index: 0, part };
  }

  *#grow(delta: string, tokens: readonly GeneratedToken[]): Generator<ResponseEvent> {
    const open = this.#open;
    if (open === null) return;
    const { item } = open;
    open.text += delta;
    const at = { item_id: item.id, output_index: this.output.length };
    if (item.type === 'function_call') yield { type: 'response.function_call_arguments.delta', ...at, delta };
    else if (item.type === 'message') {
      const { tokenizer } = this.#model.tokenizer;
      const top = this.#top;
      const logprobs = top === null ? [] : tokens.map((token) => chatToken(tokenizer, token, top));
      open.logprobs.push(...logprobs);
      yield { type: 'response.output_text.delta', ...at, content_index: 0, delta, logprobs };
    } else {
      yield { type: 'response.reasoning_text.delta', ...at, content_index: 0, delta };
      if (this.#request.reasoning?.summary)
        yield { type: 'response.reasoning_summary_text.delta', ...at, summary_index: 0, delta };
    }
  }
}

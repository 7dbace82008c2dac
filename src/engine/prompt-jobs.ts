// From what a client sends to token ids, as jobs: plain data in, plain data out, so that any process can do them.
import { type LoadedTokenizer, TokenizerError } from '../tokenizer/index.ts';
import {
  type ChatMessage,
  type ChatPrompt,
  chatPrompt,
  type TemplateVariables,
  type ThinkingStart,
  type ToolDefinition,
} from './chat-prompt.ts';
import { type PromptSizes, type RefusalKind, RefusedError } from './generation.ts';
import { checkLength, encodePieces, fillInPieces, wellFormed } from './prompt-text.ts';

export interface TextOptions {
  /** Adds the tokens of the post-processor, such as begin-of-sequence. @default false */
  readonly addSpecialTokens?: boolean;
  /** Reads added tokens in the text as plain text: for untrusted input. @default false */
  readonly plain?: boolean;
}

export type PromptJob = { readonly contextLength: number } & (
  | {
      readonly kind: 'chat';
      readonly messages: readonly ChatMessage[];
      readonly variables: TemplateVariables;
      readonly thinking: ThinkingStart | null;
      readonly tools: readonly ToolDefinition[];
    }
  | { readonly kind: 'text'; readonly text: string; readonly options: TextOptions }
  | { readonly kind: 'fill-in'; readonly before: string; readonly after: string }
);

/** The ids, or why there are none. */
export type PromptOutcome =
  | ChatPrompt
  | {
      readonly refusal: RefusalKind;
      readonly message: string;
      readonly field: string | null;
      readonly sizes: PromptSizes | null;
    };

function encodeJob(loaded: LoadedTokenizer, job: PromptJob): ChatPrompt {
  const { tokenizer } = loaded;
  const { contextLength } = job;
  if (job.kind === 'chat')
    return chatPrompt(loaded, job.messages, job.variables, contextLength, job.thinking, job.tools);
  if (job.kind === 'fill-in') {
    const pieces = fillInPieces(loaded, wellFormed(job.before), wellFormed(job.after));
    return { ids: encodePieces(tokenizer, pieces, contextLength), startsThinking: false, unread: [] };
  }
  checkLength(tokenizer, [job.text], contextLength);
  return { ids: tokenizer.encode(wellFormed(job.text), job.options), startsThinking: false, unread: [] };
}

/** Does a job. What a client must know is an outcome; only faults of this program are thrown. */
export function doPromptJob(loaded: LoadedTokenizer, job: PromptJob): PromptOutcome {
  try {
    return encodeJob(loaded, job);
  } catch (error) {
    if (error instanceof RefusedError) {
      const { kind: refusal, message, field, sizes } = error;
      return { refusal, message, field, sizes };
    }
    if (error instanceof TokenizerError)
      return { refusal: 'invalid', message: error.publicMessage, field: null, sizes: null };
    throw error;
  }
}

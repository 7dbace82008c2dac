// What a compiler and its worker say to each other: plain data.
import type { Constraint } from './constraint.ts';
import type { GrammarError } from './errors.ts';

/** A vocabulary as bytes: token i has those from starts[i] to starts[i + 1]; none: it never comes in a text. */
export interface MaskVocabulary {
  readonly bytes: Uint8Array;
  readonly starts: Int32Array;
  /** Tokens that end an answer. */
  readonly endIds: readonly number[];
  /** The size of the model's vocabulary, which masks have. */
  readonly size: number;
}

/** What happened to an answer since its last masks, and what is asked. */
export interface MaskRequest {
  readonly matcher: number;
  /** Tokens to take, in order. */
  readonly tokens: readonly number[];
  /** A token after which another mask is made, and which is not taken; null: none. */
  readonly draft: number | null;
}

export type MaskReply =
  /** The mask of the next token, and of the one after the draft; null: that draft cannot come. */
  { readonly masks: readonly [Int32Array<ArrayBuffer>, Int32Array<ArrayBuffer> | null] } | { readonly failure: string };

export type ToMaskWorker =
  | { readonly kind: 'compile'; readonly id: number; readonly grammar: number; readonly constraint: Constraint }
  | { readonly kind: 'forget'; readonly grammar: number }
  | { readonly kind: 'open'; readonly matcher: number; readonly grammar: number }
  | { readonly kind: 'masks'; readonly id: number; readonly requests: readonly MaskRequest[] }
  | { readonly kind: 'close'; readonly matcher: number };

export type FromMaskWorker =
  | { readonly id: number; readonly mask: Int32Array<ArrayBuffer> }
  | { readonly id: number; readonly replies: readonly MaskReply[] }
  | { readonly id: number; readonly refusal: Pick<GrammarError, 'problem' | 'pointer' | 'callee'> }
  | { readonly id: number; readonly failure: string };

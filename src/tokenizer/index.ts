// The tokenizer room: text to ids and back, vocabularies of one's own, chat templates.
export type { AddedToken } from './added-tokens.ts';
export {
  type ChatProfile,
  ChatTemplate,
  chatProfiles,
  chatTemplateOf,
  type Message,
  type RenderOptions,
  specialTokensOf,
} from './chat-template.ts';
export { TokenizerError } from './errors.ts';
export { type LoadedTokenizer, loadTokenizer, saveTokenizer } from './folder.ts';
export { type PreTokenizerName, preTokenizers } from './pre-tokenizer.ts';
export {
  type EncodeOptions,
  Tokenizer,
  type TokenizerJson,
  type TokenKind,
  TokenStream,
  type VocabularyDescription,
} from './tokenizer.ts';
export { characterTokenizer, type TrainOptions, trainTokenizer } from './train.ts';

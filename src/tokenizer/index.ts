// The tokenizer module: text to ids and back, new vocabularies, chat templates.
export type { AddedToken, AddedTokenMatch } from './added-tokens.ts';
export { type CharacterOptions, characterTokenizer } from './characters.ts';
export { type ChatProfile, type ChatProfileName, chatProfiles, withThinkTokens } from './chat-profile.ts';
export {
  ChatTemplate,
  type Message,
  type RenderOptions,
  readChatTemplate,
  readSpecialTokens,
} from './chat-template.ts';
export { TokenizerError } from './errors.ts';
export {
  type LoadedTokenizer,
  loadTokenizer,
  type PackedTokenizer,
  packTokenizer,
  saveTokenizer,
  unpackTokenizer,
} from './folder.ts';
export { type PreTokenizerName, preTokenizers } from './pre-tokenizer.ts';
export {
  type DecodeOptions,
  type EncodeOptions,
  Tokenizer,
  type TokenKind,
  TokenStream,
  type VocabularyDescription,
} from './tokenizer.ts';
export type { TokenizerJson } from './tokenizer-json.ts';
export { type SpecialToken, type TrainOptions, tokenizerTraining, trainTokenizer } from './train.ts';

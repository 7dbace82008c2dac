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
  hasTokenizer,
  type LoadedTokenizer,
  loadTokenizer,
  type PackedTokenizer,
  packTokenizer,
  saveLoadedTokenizer,
  saveTokenizer,
  unpackTokenizer,
} from './folder.ts';
export { type GgufKey, ggufTokenizerKeys } from './gguf-keys.ts';
export { hasGgufTokenizer, loadGgufTokenizer } from './gguf-tokenizer.ts';
export type { GgufMetadata } from './gguf-vocabulary.ts';
export { type PreTokenizerName, preTokenizers } from './pre-tokenizer.ts';
export {
  type DecodeOptions,
  type EncodeOptions,
  Tokenizer,
  TokenStream,
} from './tokenizer.ts';
export type { TokenizerJson } from './tokenizer-json.ts';
export { type SpecialToken, type TrainOptions, tokenizerTraining, trainTokenizer } from './train.ts';

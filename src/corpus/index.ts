// The corpus module: documents from files and generators, tokenized once, packed into batches in an order that resumes.
export {
  type BatchOptions,
  type BatchState,
  BatchStream,
  fillInTheMiddle,
  validationBatches,
} from './batch-stream.ts';
export { toDialogues } from './conversations/dialogues.ts';
export {
  type Conversation,
  type ConversationSort,
  conversationAt,
  conversationSorts,
  conversationsInput,
  describeConversations,
  type Message,
  type PreferencePair,
  preferenceAt,
  replyFaults,
  smallTalkSorts,
  toConversations,
} from './conversations/index.ts';
export { type Dataset, openDataset, type PrepareOptions, prepareDataset } from './dataset.ts';
export {
  type Input,
  type ReadOptions,
  readDocuments,
  type Synthetic,
} from './documents.ts';
export { CorpusError } from './errors.ts';
export { pauses } from './pauses.ts';
export { encodePrompt, encodeResponse, toResponse } from './prompt.ts';
export { hashFile, TokenSplit } from './shards.ts';
export {
  type BaseVocabulary,
  chooseVocabulary,
  endOfSequence,
  type FimIds,
  loadBaseVocabulary,
  preTokenizerNames,
  type TokenizerChoice,
  type Vocabulary,
} from './vocabulary.ts';
export { toSynthetic, workedExamplesInput } from './worked-examples/index.ts';

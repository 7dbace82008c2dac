// A small vocabulary with a profile's tokens and template, for tests.
import {
  type ChatProfileName,
  chatProfiles,
  type LoadedTokenizer,
  readChatTemplate,
  readSpecialTokens,
  Tokenizer,
  trainTokenizer,
} from '../tokenizer/index.ts';

export function testTokenizer(profile: ChatProfileName = 'deepseek-r1'): LoadedTokenizer {
  const { specialTokens, config } = chatProfiles[profile];
  const text = 'the quick brown fox says User: hello, Assistant: you are welcome to be or not to be 1 2 3 ';
  const tokenizer = new Tokenizer(trainTokenizer([text.repeat(8)], { vocabSize: 340, specialTokens }));
  const findId = (name: string) => tokenizer.tokenToId(name) as number;
  return {
    tokenizer,
    specialTokens: readSpecialTokens(config),
    bosId: findId('<｜begin▁of▁sentence｜>'),
    padId: findId('<｜▁pad▁｜>'),
    eosIds: [findId('<｜end▁of▁sentence｜>')],
    chatTemplate: readChatTemplate(config),
  };
}

// The process that encodes long prompts, and those of tokenizers and templates that this program does not know.
import { type PackedTokenizer, unpackTokenizer } from '../tokenizer/index.ts';
import { serveJobs } from '../untrusted/index.ts';
import { doPromptJob, type PromptJob, type PromptOutcome } from './prompt-jobs.ts';

serveJobs<PackedTokenizer, PromptJob, PromptOutcome>((packed) => {
  const loaded = unpackTokenizer(packed);
  return (job) => doPromptJob(loaded, job);
});

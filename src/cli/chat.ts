// minke chat: a conversation in the terminal, with dimmed thinking and the speed of each answer.
import { createInterface } from 'node:readline/promises';
import { styleText } from 'node:util';
import {
  type ChatMessage,
  type GenerateOptions,
  RefusedError,
  type ServedModel,
  type SpeculationStats,
  type Usage,
} from '../engine/index.ts';
import { formatPercent } from '../math/index.ts';
import type { EngineFlags, SamplingFlags } from './engine-flags.ts';
import { loadModel } from './load-model.ts';

export interface ChatFlags extends EngineFlags, SamplingFlags {
  readonly system?: string;
  readonly prompt?: string;
  readonly seed?: number;
  readonly maxTokens?: number;
}

const hasColors = process.stdout.hasColors?.() ?? false;
const dim = (text: string) => (hasColors ? styleText('dim', text) : text);

/** Describes how many drafts of an answer were accepted, and whether drafting is on. */
function describeDrafts({ draftedTokens, acceptedTokens }: Usage, speculation: SpeculationStats | null): string[] {
  const accepted = draftedTokens > 0 ? [`${formatPercent(acceptedTokens / draftedTokens)} of drafts accepted`] : [];
  if (speculation === null || speculation.isOn) return accepted;
  const { acceptance, stepCost } = speculation;
  const cost = stepCost === null ? '' : `, and a step with drafts costs ${stepCost.toFixed(1)} times a plain one`;
  return [...accepted, `drafting is off: ${formatPercent(acceptance)} were accepted recently${cost}`];
}

/** Prints an answer while it is generated and returns its text. Ctrl-C ends the answer, not the conversation. */
async function answer(model: ServedModel, messages: readonly ChatMessage[], options: GenerateOptions): Promise<string> {
  const abort = new AbortController();
  const stop = () => abort.abort();
  process.once('SIGINT', stop);
  let text = '';
  let channel = 'answer';
  try {
    for await (const event of model.chat(messages, { ...options, signal: abort.signal })) {
      if (event.type === 'part') {
        if (channel === 'thinking' && event.channel === 'answer') process.stdout.write('\n');
        channel = event.channel;
        process.stdout.write(channel === 'thinking' ? dim(event.text) : event.text);
        if (channel === 'answer') text += event.text;
        continue;
      }
      if (event.error) throw event.error;
      const { usage, totalMs, firstTokenMs, finishReason } = event;
      const rate = ((usage.completionTokens - 1) / Math.max(1e-3, totalMs - firstTokenMs)) * 1000;
      const facts = [
        `${usage.completionTokens} tokens`,
        `${rate.toFixed(1)} tokens/s`,
        `first token after ${firstTokenMs.toFixed(0)} ms`,
        ...describeDrafts(usage, model.stats.speculation),
        ...(usage.cachedTokens > 0 ? [`${usage.cachedTokens} of ${usage.promptTokens} prompt tokens cached`] : []),
        ...(finishReason === 'stop' ? [] : [`ended by ${finishReason}`]),
      ];
      process.stdout.write(`\n${dim(facts.join(', '))}\n`);
    }
  } finally {
    process.off('SIGINT', stop);
  }
  return text;
}

export async function chatCommand(path: string, flags: ChatFlags): Promise<void> {
  const { temperature, topP, seed, maxTokens } = flags;
  const options: GenerateOptions = {
    temperature,
    topP,
    ...(seed !== undefined && { seed }),
    ...(maxTokens !== undefined && { maxTokens }),
  };
  const model = await loadModel(path, flags);
  const messages: ChatMessage[] = flags.system ? [{ role: 'system', content: flags.system }] : [];
  const turn = async (content: string) => {
    messages.push({ role: 'user', content });
    try {
      messages.push({ role: 'assistant', content: await answer(model, messages, options) });
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      messages.pop();
      console.error(error.message);
    }
  };
  if (flags.prompt !== undefined) await turn(flags.prompt);
  else {
    const terminal = createInterface({ input: process.stdin, output: process.stdout });
    console.log(dim(`${model.name}: type a message, /new for a new conversation, Ctrl-D to exit`));
    for (;;) {
      const line = await terminal.question('> ').catch(() => null);
      if (line === null) break;
      if (line.trim() === '/new') messages.length = flags.system ? 1 : 0;
      else if (line.trim() !== '') await turn(line);
    }
    terminal.close();
  }
  await model.close();
}

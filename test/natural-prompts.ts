// Whether a chat model answers people acceptably: 224 prompts as people type them, none of which any training has seen
// (natural-prompts.json): problems, greetings, abilities, what is out of scope, second turns, system texts.
//
// Acceptable is a correct final answer, a reply in words to small talk, and a plain refusal of what is out of scope.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { SamplingOptions, ServedModel } from '../src/engine/index.ts';
import { packageRoot } from '../src/kernels/root.ts';
import { readExpression } from '../src/tasks/index.ts';

const wanted = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('number'), n: z.array(z.string()) }),
  z.object({ kind: z.literal('text'), n: z.array(z.string()) }),
  z.object({ kind: z.literal('countdown'), numbers: z.array(z.number()), target: z.number() }),
  z.object({ kind: z.literal('words') }),
  z.object({ kind: z.literal('refusal') }),
]);
type Wanted = z.infer<typeof wanted>;
const prompt = z.object({ messages: z.array(z.object({ role: z.string(), content: z.string() })), want: wanted });
export type NaturalPrompt = z.infer<typeof prompt>;

export const naturalPrompts = z
  .array(prompt)
  .parse(JSON.parse(readFileSync(join(packageRoot(), 'test', 'natural-prompts.json'), 'utf8')));

const refusal = /sorry|did not learn|do not know|cannot|can't|don't know|outside|not able/i;
const plain = (text: string) => text.toLowerCase().replace(/\s+/g, '');

function isCountdown(answer: string, { numbers, target }: Extract<Wanted, { kind: 'countdown' }>): boolean {
  const read = readExpression(answer.replace(/=.*$/, ''));
  if (!('value' in read)) return false;
  const used = (answer.replace(/=.*$/, '').match(/\d+/g) ?? []).map(Number);
  const sorted = (list: readonly number[]) => [...list].sort((a, b) => a - b).join(' ');
  return sorted(used) === sorted(numbers) && read.value.top === BigInt(target) * read.value.bottom;
}

/** Whether a reply, without its thinking, is acceptable. */
export function isAcceptable(reply: string, want: Wanted): boolean {
  const tagged = /<answer>([\s\S]*?)<\/answer>/.exec(reply)?.[1];
  const answer = (tagged ?? reply).trim();
  if (want.kind === 'number') return want.n.includes(answer.replace(/^x\s*=\s*/, '').replace(/,(?=\d{3})/g, ''));
  if (want.kind === 'text') return want.n.some((text) => plain(reply).includes(plain(text)));
  if (want.kind === 'countdown') return isCountdown(answer, want);
  const isTalk = tagged === undefined && /[a-z]{2}/i.test(reply);
  return isTalk && refusal.test(reply) === (want.kind === 'refusal');
}

/** Asks a model, by the defaults of chat, and returns its reply without the thinking. */
export async function ask(model: ServedModel, { messages }: NaturalPrompt, options: SamplingOptions): Promise<string> {
  let reply = '';
  for await (const event of model.chat(messages, options)) {
    if (event.type === 'part') reply += event.channel === 'answer' ? event.text : '';
    else if (event.error) throw event.error;
  }
  return reply;
}

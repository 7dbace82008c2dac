// What an answer cost: speed, first token, drafts of multi-token prediction, what the prefix cache had.
import type { Answer } from './conversation.ts';
import { percent, seconds, tokens } from './figures.ts';

interface Fact {
  readonly text: string;
  readonly title: string;
}

function listFacts({ usage, chunks, firstMs, totalMs }: Answer): Fact[] {
  const facts: Fact[] = [];
  const count = usage?.completion_tokens ?? chunks.thinking + chunks.text;
  if (usage !== null && firstMs !== null && totalMs !== null && count > 1 && totalMs > firstMs) {
    const rate = ((count - 1) * 1000) / (totalMs - firstMs);
    facts.push({ text: `${rate.toFixed(rate < 10 ? 1 : 0)} tokens/s`, title: 'From the first token to the last' });
  }
  if (count > 0)
    facts.push({ text: `${usage === null ? '≥ ' : ''}${tokens(count)}`, title: 'Generated, the thinking included' });
  if (firstMs !== null)
    facts.push({ text: `first after ${seconds(firstMs)}`, title: 'From the question to the first token' });
  if (usage === null) return facts;
  const { accepted_prediction_tokens: accepted, rejected_prediction_tokens: rejected } =
    usage.completion_tokens_details;
  if (accepted + rejected > 0)
    facts.push({
      text: `${percent(accepted, accepted + rejected)} of drafts accepted`,
      title: `Multi-token prediction drafted ${accepted + rejected} tokens; the model accepted ${accepted}`,
    });
  const { prompt_tokens: prompt, prompt_cache_hit_tokens: cached } = usage;
  facts.push({
    text: `${cached} of ${prompt} prompt tokens cached`,
    title: 'Found in the prefix cache, where they were read before',
  });
  return facts;
}

export function AnswerFacts({ answer }: { readonly answer: Answer }) {
  return (
    <ul class="answer-facts small quiet" aria-label="What the answer cost">
      {listFacts(answer).map(({ text, title }) => (
        <li key={title} title={title}>
          {text}
        </li>
      ))}
    </ul>
  );
}

// Statistics of an answer: speed, tokens, time to the first token, accepted drafts, cached prompt tokens.
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
    facts.push({
      text: `${rate.toFixed(rate < 10 ? 1 : 0)} tokens/s`,
      title: 'Speed from the first token to the last',
    });
  }
  if (count > 0)
    facts.push({
      text: `${usage === null ? '≥ ' : ''}${tokens(count)}`,
      title: 'Generated tokens, including the thinking',
    });
  if (firstMs !== null)
    facts.push({ text: `first token after ${seconds(firstMs)}`, title: 'Time from the request to the first token' });
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
    title: 'Prompt tokens found in the prefix cache',
  });
  return facts;
}

export function AnswerFacts({ answer }: { readonly answer: Answer }) {
  return (
    <ul class="answer-facts small quiet" aria-label="Statistics">
      {listFacts(answer).map(({ text, title }) => (
        <li key={title} title={title}>
          {text}
        </li>
      ))}
    </ul>
  );
}

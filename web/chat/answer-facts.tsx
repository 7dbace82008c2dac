// Statistics of an answer: speed, tokens, time to the first token, accepted drafts, cached prompt tokens.

import { formatPercent } from '../../src/math/index.ts';
import type { Answer } from './conversation.ts';
import { seconds, tokens } from './figures.ts';

/** Below this, an answer came in one burst, and its speed says nothing. */
const measurableMs = 50;

/** Returns each fact as its text and its explanation. */
function listFacts({ usage, chunks, firstMs, totalMs }: Answer): [text: string, title: string][] {
  const facts: [string, string][] = [];
  const count = usage?.completion_tokens ?? chunks.thinking + chunks.text;
  if (usage !== null && firstMs !== null && totalMs !== null && totalMs - firstMs >= measurableMs) {
    const rate = ((count - 1) * 1000) / (totalMs - firstMs);
    facts.push([`${rate.toFixed(rate < 10 ? 1 : 0)} tokens/s`, 'Speed from the first token to the last']);
  }
  const bound = usage === null ? '≥ ' : '';
  if (count > 0) facts.push([`${bound}${tokens(count)}`, 'Generated tokens, including the thinking']);
  if (firstMs !== null)
    facts.push([`first token after ${seconds(firstMs)}`, 'Time from the request to the first token']);
  if (usage === null) return facts;
  const { prompt_tokens: prompt, prompt_cache_hit_tokens: cached, completion_tokens_details: details } = usage;
  const { accepted_prediction_tokens: accepted, rejected_prediction_tokens: rejected } = details;
  const drafted = accepted + rejected;
  if (drafted > 0)
    facts.push([`${formatPercent(accepted / drafted)} of drafts accepted`, `${accepted} of ${drafted} drafted tokens`]);
  facts.push([`${cached} of ${prompt} prompt tokens cached`, 'Prompt tokens found in the prefix cache']);
  return facts;
}

export function AnswerFacts({ answer }: { readonly answer: Answer }) {
  return (
    <ul class="answer-facts small quiet" aria-label="Statistics">
      {listFacts(answer).map(([text, title]) => (
        <li key={title} title={title}>
          {text}
        </li>
      ))}
    </ul>
  );
}

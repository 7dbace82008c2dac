// The thinking: folded, with its time and its tokens. While it lasts, its last words are seen in passing.
import { useState } from 'preact/hooks';
import type { Answer } from './conversation.ts';
import { seconds, tokens } from './figures.ts';

const glimpse = 160;

function headOf({ usage, chunks, thinkingMs, totalMs, text, state }: Answer): string {
  const isOver = state !== 'running' || text !== '';
  const count = usage?.completion_tokens_details.reasoning_tokens ?? chunks.thinking;
  const about = usage === null ? '≥ ' : '';
  const time = seconds(thinkingMs ?? totalMs ?? 0);
  return isOver ? `Thought for ${time} · ${about}${tokens(count)}` : `Thinking · ${time} · ${about}${tokens(count)}`;
}

export function Thinking({ answer }: { readonly answer: Answer }) {
  const [isOpen, setOpen] = useState(false);
  const isComing = answer.state === 'running' && answer.text === '';
  return (
    <details
      class={isComing ? 'thinking is-coming' : 'thinking'}
      open={isOpen}
      onToggle={(event) => setOpen(event.currentTarget.open)}
    >
      <summary>
        <span class="thinking-head">{headOf(answer)}</span>
        {isComing && !isOpen && (
          <span class="thinking-glimpse" aria-hidden="true">
            <span>{answer.thinking.slice(-glimpse).replaceAll(/\s+/g, ' ')}</span>
          </span>
        )}
      </summary>
      {isOpen && <div class="thinking-text">{answer.thinking.trim()}</div>}
    </details>
  );
}

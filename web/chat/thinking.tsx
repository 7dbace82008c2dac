// The thinking: folded, with its time and its tokens. While it lasts, its last words are seen in passing.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Answer } from './conversation.ts';
import { seconds, tokens } from './figures.ts';

const glimpse = 160;

function summaryText({ usage, chunks, thinkingMs, totalMs, text, state }: Answer): string {
  const isOver = state !== 'running' || text !== '';
  const count = usage?.completion_tokens_details.reasoning_tokens ?? chunks.thinking;
  const about = usage === null ? '≥ ' : '';
  const time = seconds(thinkingMs ?? totalMs ?? 0);
  return isOver ? `Thought for ${time} · ${about}${tokens(count)}` : `Thinking · ${time} · ${about}${tokens(count)}`;
}

const nearPx = 40;

/** The whole text; its end stays in sight while it comes, unless the reader has gone up. */
function ThinkingText({ text, isComing }: { readonly text: string; readonly isComing: boolean }) {
  const place = useRef<HTMLElement>(null);
  const follows = useRef(isComing);
  // Each word that comes moves the end.
  useLayoutEffect(() => {
    const element = place.current;
    if (element !== null && isComing && follows.current) element.scrollTop = element.scrollHeight;
  }, [text, isComing]);
  const onScroll = ({ currentTarget: { scrollHeight, scrollTop, clientHeight } }: { currentTarget: HTMLElement }) => {
    follows.current = scrollHeight - scrollTop - clientHeight < nearPx;
  };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must scroll by keys too
    <section ref={place} class="thinking-text" tabIndex={0} aria-label="Thinking" onScroll={onScroll}>
      {text}
    </section>
  );
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
        <span class="thinking-head">{summaryText(answer)}</span>
        {isComing && !isOpen && (
          <span class="thinking-glimpse" aria-hidden="true">
            <span>{answer.thinking.slice(-glimpse).replaceAll(/\s+/g, ' ')}</span>
          </span>
        )}
      </summary>
      {isOpen && <ThinkingText text={answer.thinking.trim()} isComing={isComing} />}
    </details>
  );
}

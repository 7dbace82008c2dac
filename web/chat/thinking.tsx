// The thinking: collapsed, with its time and tokens. While it is generated, its last words show beside them.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Answer } from './conversation.ts';
import { seconds, tokens } from './figures.ts';

const glimpseLength = 160;

function summaryText({ usage, chunks, thinkingMs, totalMs, text, state }: Answer): string {
  const isDone = state !== 'running' || text !== '';
  const count = usage?.completion_tokens_details.reasoning_tokens ?? chunks.thinking;
  const bound = usage === null ? '≥ ' : '';
  const time = seconds(thinkingMs ?? totalMs ?? 0);
  return isDone ? `Thought for ${time} · ${bound}${tokens(count)}` : `Thinking · ${time} · ${bound}${tokens(count)}`;
}

const nearPx = 40;

/** The whole text. It stays scrolled to its end while it grows, unless the reader has scrolled up. */
function ThinkingText({ text, isGrowing }: { readonly text: string; readonly isGrowing: boolean }) {
  const place = useRef<HTMLElement>(null);
  const follows = useRef(isGrowing);
  useLayoutEffect(() => {
    const element = place.current;
    if (element !== null && isGrowing && follows.current) element.scrollTop = element.scrollHeight;
  }, [text, isGrowing]);
  const onScroll = ({ currentTarget: { scrollHeight, scrollTop, clientHeight } }: { currentTarget: HTMLElement }) => {
    follows.current = scrollHeight - scrollTop - clientHeight < nearPx;
  };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling element must be reachable by keyboard
    <section ref={place} class="thinking-text" tabIndex={0} aria-label="Thinking" onScroll={onScroll}>
      {text}
    </section>
  );
}

export function Thinking({ answer }: { readonly answer: Answer }) {
  const [isOpen, setOpen] = useState(false);
  const isGrowing = answer.state === 'running' && answer.text === '';
  return (
    <details
      class={isGrowing ? 'thinking is-growing' : 'thinking'}
      open={isOpen}
      onToggle={(event) => setOpen(event.currentTarget.open)}
    >
      <summary>
        <span class="thinking-head">{summaryText(answer)}</span>
        {isGrowing && !isOpen && (
          <span class="thinking-glimpse" aria-hidden="true">
            <span>{answer.thinking.slice(-glimpseLength).replaceAll(/\s+/g, ' ')}</span>
          </span>
        )}
      </summary>
      {isOpen && <ThinkingText text={answer.thinking.trim()} isGrowing={isGrowing} />}
    </details>
  );
}

// The turns of a conversation. It stays at the end while an answer comes, unless the reader has gone up.
import { useEffect, useRef, useState } from 'preact/hooks';
import './thread.css';
import { Icon } from '../shell/icon.tsx';
import { AnswerView } from './answer-view.tsx';
import { runningIn } from './answering.ts';
import type { Conversation } from './conversation.ts';
import { PromptView } from './prompt-view.tsx';

const nearPx = 80;
/** A verdict comes a little after its answer. */
const lingerMs = 1000;

/** Keeps a scrolled element at its end while an answer makes it grow; tells whether it is there. */
function useEnd(isRunning: boolean, turns: number) {
  const until = useRef(0);
  if (isRunning) until.current = Infinity;
  else if (until.current === Infinity) until.current = performance.now() + lingerMs;
  const scroller = useRef<HTMLElement>(null);
  const [isAtEnd, setAtEnd] = useState(true);
  const toEnd = () => {
    const element = scroller.current;
    element?.scrollTo({ top: element.scrollHeight });
  };
  useEffect(() => {
    const element = scroller.current as HTMLElement;
    let follows = true;
    let top = 0;
    const onScroll = () => {
      const isNear = element.scrollHeight - element.scrollTop - element.clientHeight < nearPx;
      if (isNear) follows = true;
      else if (element.scrollTop < top) follows = false; // upwards: the reader, not the growth
      top = element.scrollTop;
      setAtEnd(isNear);
    };
    const growth = new ResizeObserver(() => (follows && performance.now() < until.current ? toEnd() : onScroll()));
    growth.observe(element.firstElementChild as Element);
    growth.observe(element);
    element.addEventListener('scroll', onScroll, { passive: true });
    return () => {
      growth.disconnect();
      element.removeEventListener('scroll', onScroll);
    };
  }, []);
  useEffect(toEnd, [turns]);
  return { scroller, isAtEnd, toEnd };
}

export function Thread({ conversation }: { readonly conversation: Conversation }) {
  const { id, turns } = conversation;
  const isRunning = runningIn(id) !== null;
  const { scroller, isAtEnd, toEnd } = useEnd(isRunning, turns.length);
  return (
    <div class="thread">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must scroll by keys too */}
      <section class="thread-scroll" ref={scroller} tabIndex={0} aria-label="Messages">
        <div class="thread-column">
          <h1 class="unseen">{conversation.title}</h1>
          {turns.map((turn, i) => (
            <article key={turn.id} class="turn" aria-label={`Question ${i + 1}`}>
              <PromptView conversationId={id} turn={turn} canEdit={!isRunning} />
              <AnswerView conversationId={id} turn={turn} isLast={i === turns.length - 1} />
            </article>
          ))}
        </div>
      </section>
      {!isAtEnd && (
        <button type="button" class="button icon thread-end" aria-label="To the end" onClick={toEnd}>
          <Icon name="down" />
        </button>
      )}
    </div>
  );
}

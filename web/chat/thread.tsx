// The turns of a conversation. It stays scrolled to the end while an answer grows, unless the reader scrolls up.
import { useEffect, useRef, useState } from 'preact/hooks';
import './thread.css';
import { IconButton } from '../shell/icon.tsx';
import { AnswerView } from './answer-view.tsx';
import { runningIn } from './answering.ts';
import type { Conversation } from './conversation.ts';
import { PromptView } from './prompt-view.tsx';

const nearPx = 80;
/** The verdict arrives shortly after the answer. */
const followMs = 1000;

/** Keeps a scrolling element at its end while an answer grows. Returns whether it is at the end. */
function useScrollToEnd(isRunning: boolean, turns: number) {
  const until = useRef(0);
  if (isRunning) until.current = Infinity;
  else if (until.current === Infinity) until.current = performance.now() + followMs;
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
      else if (element.scrollTop < top) follows = false; // upwards: the reader scrolled
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
  const { scroller, isAtEnd, toEnd } = useScrollToEnd(isRunning, turns.length);
  return (
    <div class="thread">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling element must be reachable by keyboard */}
      <section class="thread-scroll" ref={scroller} tabIndex={0} aria-label="Messages">
        <div class="thread-column">
          <h1 class="visually-hidden">{conversation.title}</h1>
          {turns.map((turn, i) => (
            <article key={turn.id} class="turn" aria-label={`Turn ${i + 1}`}>
              <PromptView conversationId={id} turn={turn} canEdit={!isRunning} />
              <AnswerView conversationId={id} turn={turn} isLast={i === turns.length - 1} />
            </article>
          ))}
        </div>
      </section>
      {!isAtEnd && <IconButton icon="down" label="Scroll to the end" look="thread-end" onClick={toEnd} />}
    </div>
  );
}

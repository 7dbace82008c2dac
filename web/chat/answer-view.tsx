// An answer: how it was thought, what was said, what the grader finds, what it cost, and what one can do with it.
import { useEffect, useRef } from 'preact/hooks';
import './answer-view.css';
import { Icon } from '../shell/icon.tsx';
import { Whale } from '../shell/whale.tsx';
import { announce } from './announce.tsx';
import { AnswerFacts } from './answer-facts.tsx';
import { AnswerText } from './answer-text.tsx';
import { regenerate, runningIn, showAnswer } from './answering.ts';
import { type Answer, shownAnswer, type Turn } from './conversation.ts';
import { CopyButton } from './copy-button.tsx';
import { Thinking } from './thinking.tsx';
import { VerdictView } from './verdict-view.tsx';

export interface AnswerViewProps {
  readonly conversationId: string;
  readonly turn: Turn;
  readonly isLast: boolean;
}

const endings: Readonly<Partial<Record<Answer['state'], string>>> = {
  stopped: 'Stopped before it was done.',
  length: 'Cut off: it reached the most tokens it may have.',
};

function Versions({ conversationId, turn }: Omit<AnswerViewProps, 'isLast'>) {
  const { answers, shown } = turn;
  if (answers.length < 2) return null;
  const step = (by: number, name: string, icon: 'left' | 'right') => (
    <button
      type="button"
      class="button icon compact quiet"
      aria-label={name}
      disabled={answers[shown + by] === undefined}
      onClick={() => showAnswer(conversationId, turn.id, shown + by)}
    >
      <Icon name={icon} />
    </button>
  );
  return (
    <span class="answer-versions small quiet">
      {step(-1, 'Answer before', 'left')}
      {shown + 1} of {answers.length}
      {step(1, 'Next answer', 'right')}
    </span>
  );
}

/** Says once what an answer came to that was seen coming. */
function useAnnouncement(answer: Answer | null): void {
  const seen = useRef<Answer['state'] | null>(null);
  const state = answer?.state ?? null;
  // The state alone is told.
  useEffect(() => {
    const wasRunning = seen.current === 'running';
    seen.current = state;
    if (state === 'running') announce('The answer is coming.');
    else if (wasRunning && answer !== null && answer.problem === null)
      announce(`${endings[answer.state] ?? 'The answer is there:'} ${answer.text.slice(0, 600)}`);
  }, [state]);
}

function Failure({ problem, onRetry }: { readonly problem: string | null; readonly onRetry: (() => void) | null }) {
  return (
    <div class="notice answer-failure" role="alert">
      <span>{problem ?? 'Something went wrong.'}</span>
      {onRetry !== null && (
        <button type="button" class="button compact" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

export function AnswerView({ conversationId, turn, isLast }: AnswerViewProps) {
  const kept = shownAnswer(turn);
  const running = runningIn(conversationId);
  const live = running?.answer.value ?? null;
  const answer = live !== null && live.id === kept?.id ? live : kept;
  useAnnouncement(answer);
  if (answer === null) return null;
  const isRunning = answer.state === 'running';
  const again = isLast && running === null ? () => void regenerate(conversationId, turn.id) : null;
  const isWaiting = isRunning && answer.firstMs === null;
  return (
    <div class="answer" aria-busy={isRunning}>
      <Whale />
      <div class="answer-body">
        {isWaiting && <p class="quiet answer-waiting">Reading your question</p>}
        {answer.thinking !== '' && <Thinking answer={answer} />}
        <AnswerText text={answer.text} isGrowing={isRunning} />
        {answer.verdict !== null && <VerdictView verdict={answer.verdict} />}
        {answer.state === 'failed' && <Failure problem={answer.problem} onRetry={again} />}
        {endings[answer.state] !== undefined && <p class="badge warm">{endings[answer.state]}</p>}
        {!isRunning && (
          <footer class="answer-foot">
            <AnswerFacts answer={answer} />
            <span class="answer-buttons">
              <Versions conversationId={conversationId} turn={turn} />
              {answer.text !== '' && <CopyButton name="answer" text={answer.text} />}
              {again !== null && answer.state !== 'failed' && (
                <button
                  type="button"
                  class="button icon compact quiet"
                  aria-label="Answer again"
                  title="Answer again"
                  onClick={again}
                >
                  <Icon name="again" />
                </button>
              )}
            </span>
          </footer>
        )}
      </div>
    </div>
  );
}

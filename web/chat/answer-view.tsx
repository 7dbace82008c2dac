// An answer: its thinking, its text, the verdict, its statistics, and buttons for other versions of it.
import { useEffect, useRef } from 'preact/hooks';
import './answer-view.css';
import { Icon, IconButton } from '../shell/icon.tsx';
import { Notice } from '../shell/notice.tsx';
import { Whale } from '../shell/whale.tsx';
import { announce } from './announce.tsx';
import { AnswerFacts } from './answer-facts.tsx';
import { AnswerText } from './answer-text.tsx';
import { regenerate, runningIn, showAnswer } from './answering.ts';
import { type Answer, shownAnswer, type Turn } from './conversation.ts';
import { CopyButton } from './copy-button.tsx';
import { Thinking } from './thinking.tsx';

export interface AnswerViewProps {
  readonly conversationId: string;
  readonly turn: Turn;
  readonly isLast: boolean;
}

const endings: Readonly<Partial<Record<Answer['state'], string>>> = {
  stopped: 'Stopped before the end.',
  length: 'Cut off at the maximum number of tokens.',
};

function Versions({ conversationId, turn }: Omit<AnswerViewProps, 'isLast'>) {
  const { answers, shown, id } = turn;
  if (answers.length < 2) return null;
  const step = (by: number, label: string, icon: 'left' | 'right') => (
    <IconButton
      icon={icon}
      label={label}
      disabled={answers[shown + by] === undefined}
      onClick={() => showAnswer(conversationId, id, shown + by)}
    />
  );
  return (
    <span class="answer-versions small quiet">
      {step(-1, 'Previous answer', 'left')}
      {shown + 1} of {answers.length}
      {step(1, 'Next answer', 'right')}
    </span>
  );
}

/** Announces the start of an answer, and its end if this component saw it running. */
function useAnnouncement(answer: Answer | null): void {
  const lastState = useRef<Answer['state'] | null>(null);
  const state = answer?.state ?? null;
  useEffect(() => {
    const wasRunning = lastState.current === 'running';
    lastState.current = state;
    if (state === 'running') announce('Generating the answer.');
    else if (wasRunning && answer !== null && answer.problem === null)
      announce(`${endings[answer.state] ?? 'The answer is complete:'} ${answer.text.slice(0, 600)}`);
  }, [state]);
}

function VerdictView({ verdict: { correct, reason } }: { readonly verdict: NonNullable<Answer['verdict']> }) {
  return (
    <p class={`verdict badge ${correct ? 'good' : 'bad'}`}>
      <Icon name={correct ? 'check' : 'close'} />
      <span>
        <strong>{correct ? 'Correct' : 'Incorrect'}</strong>: {reason}.
      </span>
    </p>
  );
}

export function AnswerView({ conversationId, turn, isLast }: AnswerViewProps) {
  const stored = shownAnswer(turn);
  const running = runningIn(conversationId);
  const live = running?.answer.value ?? null;
  const answer = live !== null && live.id === stored?.id ? live : stored;
  useAnnouncement(answer);
  if (answer === null) return null;
  const { state, text, thinking, verdict, firstMs, problem } = answer;
  const isRunning = state === 'running';
  const again = isLast && running === null ? () => void regenerate(conversationId, turn.id) : null;
  return (
    <div class="answer" aria-busy={isRunning}>
      <Whale />
      <div class="answer-body">
        {isRunning && firstMs === null && <p class="quiet answer-waiting">Reading the prompt</p>}
        {thinking !== '' && <Thinking answer={answer} />}
        <AnswerText text={text} isGrowing={isRunning} />
        {verdict !== null && <VerdictView verdict={verdict} />}
        {state === 'failed' && <Notice message={problem ?? 'The answer failed.'} onRetry={again} />}
        {endings[state] !== undefined && <p class="badge warning">{endings[state]}</p>}
        {!isRunning && (
          <footer class="answer-foot">
            <AnswerFacts answer={answer} />
            <span class="answer-buttons">
              <Versions conversationId={conversationId} turn={turn} />
              {text !== '' && <CopyButton name="answer" text={text} />}
              {again !== null && state !== 'failed' && <IconButton icon="again" label="Regenerate" onClick={again} />}
            </span>
          </footer>
        )}
      </div>
    </div>
  );
}

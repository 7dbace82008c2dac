// The grader's word on an answer to a problem of a task.
import type { TaskVerdict } from '../../src/server/protocol-tasks.ts';
import { Icon } from '../shell/icon.tsx';

export function VerdictView({ verdict }: { readonly verdict: TaskVerdict }) {
  const { correct, reason, task } = verdict;
  return (
    <p class={`verdict badge ${correct ? 'good' : 'bad'}`}>
      <Icon name={correct ? 'check' : 'close'} />
      <span>
        <strong>{correct ? 'Right' : 'Wrong'}</strong>, says the grader of {task}: {reason}.
      </span>
    </p>
  );
}

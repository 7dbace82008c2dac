// The page before the first prompt: which model answers, and problems to try.
import './empty-state.css';
import { serverInfo } from '../api/server-info.ts';
import { Whale } from '../shell/whale.tsx';
import { currentModel } from './settings.ts';
import { TaskCard } from './task-card.tsx';

function ModelNote() {
  const [info, model] = [serverInfo.value, currentModel.value];
  if (info === null || model === null) return null;
  return (
    <p class="quiet">
      <strong>{model.id}</strong> runs on this machine with a context of {model.contextLength.toLocaleString('en')}{' '}
      tokens.
      {info.readsLastMessageOnly && ' It sees only your last message, so ask complete questions.'}
      {info.isBase && ' It is a base model without a chat template, so it cannot chat.'}
    </p>
  );
}

export function EmptyState() {
  const model = currentModel.value;
  return (
    <div class="empty">
      <div class="empty-column">
        <Whale />
        <h1>What should it think about?</h1>
        <ModelNote />
        {model !== null && model.tasks.length > 0 && (
          <>
            <h2>Problems with a grader</h2>
            <p class="quiet">Click a problem to ask it; the answer is graded. Training never uses these problems.</p>
            <ul class="empty-tasks">
              {model.tasks.map((task) => (
                <TaskCard key={`${model.id} ${task.name}`} task={task} />
              ))}
            </ul>
          </>
        )}
        <p class="quiet small empty-keys">
          <kbd>Enter</kbd> sends, <kbd>Shift</kbd> <kbd>Enter</kbd> starts a new line, <kbd>Esc</kbd> stops the answer.
        </p>
      </div>
    </div>
  );
}

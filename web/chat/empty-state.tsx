// Before the first word: who is there, and what one can try.
import './empty-state.css';
import { serverInfo } from '../api/server-info.ts';
import { Whale } from '../shell/whale.tsx';
import { settings } from './settings.ts';
import { TaskCard } from './task-card.tsx';

function ModelNote() {
  const known = serverInfo.value;
  if (known === null) return null;
  const model = known.models.find(({ id }) => id === settings.value.model) ?? known.models[0];
  return (
    <p class="quiet">
      <strong>{model?.id}</strong> runs on this machine and remembers {model?.contextLength.toLocaleString('en')}{' '}
      tokens.
      {known.readsLastMessageOnly && ' It reads your last message alone: ask each question whole.'}
      {known.isBase && ' It was not taught to chat: it needs a chat template, which its tokenizer does not have.'}
    </p>
  );
}

export function EmptyState() {
  const tasks = serverInfo.value?.tasks ?? [];
  return (
    <div class="empty">
      <div class="empty-column">
        <Whale />
        <h1>What shall it think about?</h1>
        <ModelNote />
        {tasks.length > 0 && (
          <>
            <h2>Problems with a grader</h2>
            <p class="quiet">
              One click asks, and the answer is checked. Others that are drawn here were kept out of training.
            </p>
            <ul class="empty-tasks">
              {tasks.map((task) => (
                <TaskCard key={task.name} task={task} />
              ))}
            </ul>
          </>
        )}
        <p class="quiet small empty-keys">
          <kbd>Enter</kbd> sends, <kbd>Shift</kbd> <kbd>Enter</kbd> begins a line, <kbd>Esc</kbd> stops the answer.
        </p>
      </div>
    </div>
  );
}

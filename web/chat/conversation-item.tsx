// One conversation of the list: opens, is renamed in place, is removed after a second word.
import { useEffect, useRef, useState } from 'preact/hooks';
import { Icon } from '../shell/icon.tsx';
import { toHash } from '../shell/route.ts';
import { runningIn } from './answering.ts';
import type { Conversation } from './conversation.ts';
import { remove, rename } from './conversations.ts';

type Mode = 'plain' | 'rename' | 'remove';

function RenameForm({ conversation, onEnd }: { readonly conversation: Conversation; readonly onEnd: () => void }) {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    onEnd();
  };
  return (
    <form
      class="side-edit"
      onSubmit={(event) => {
        event.preventDefault();
        rename(conversation.id, field.current?.value ?? '');
        onEnd();
      }}
    >
      <input
        ref={field}
        class="input"
        aria-label="Title"
        maxLength={120}
        defaultValue={conversation.title}
        onKeyDown={onKey}
      />
      <button type="submit" class="button icon compact quiet" aria-label="Keep this title">
        <Icon name="check" />
      </button>
    </form>
  );
}

function RemoveForm({ conversation, onEnd }: { readonly conversation: Conversation; readonly onEnd: () => void }) {
  const keep = useRef<HTMLButtonElement>(null);
  useEffect(() => keep.current?.focus(), []);
  return (
    // biome-ignore lint/a11y/useSemanticElements: two buttons of a question, not fields of a form
    <div class="side-edit" role="group" aria-label={`Remove "${conversation.title}"?`}>
      <span class="small">Remove it?</span>
      <button
        type="button"
        class="button compact danger"
        onClick={() => {
          runningIn(conversation.id)?.stop();
          remove(conversation.id);
        }}
      >
        Remove
      </button>
      <button type="button" ref={keep} class="button compact" onClick={onEnd}>
        Keep
      </button>
    </div>
  );
}

export interface ConversationItemProps {
  readonly conversation: Conversation;
  readonly isOpen: boolean;
}

export function ConversationItem({ conversation, isOpen }: ConversationItemProps) {
  const [mode, setMode] = useState<Mode>('plain');
  const end = () => setMode('plain');
  const { id, title } = conversation;
  return (
    <li class={isOpen ? 'side-item is-open' : 'side-item'}>
      {mode === 'rename' && <RenameForm conversation={conversation} onEnd={end} />}
      {mode === 'remove' && <RemoveForm conversation={conversation} onEnd={end} />}
      {mode === 'plain' && (
        <>
          <a href={toHash('chat', id)} aria-current={isOpen ? 'page' : undefined} title={title}>
            {title}
          </a>
          <button
            type="button"
            class="button icon compact quiet"
            aria-label={`Rename "${title}"`}
            onClick={() => setMode('rename')}
          >
            <Icon name="pencil" />
          </button>
          <button
            type="button"
            class="button icon compact quiet"
            aria-label={`Remove "${title}"`}
            onClick={() => setMode('remove')}
          >
            <Icon name="bin" />
          </button>
        </>
      )}
    </li>
  );
}

// A conversation in the list: opens it, renames it in place, deletes it after confirmation.
import { useEffect, useRef, useState } from 'preact/hooks';
import { IconButton } from '../shell/icon.tsx';
import { toHash } from '../shell/route.ts';
import { runningIn } from './answering.ts';
import type { Conversation } from './conversation.ts';
import { remove, rename } from './conversations.ts';

interface EditorProps {
  readonly conversation: Conversation;
  readonly onClose: () => void;
}

function RenameForm({ conversation, onClose }: EditorProps) {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    onClose();
  };
  const submit = () => {
    rename(conversation.id, field.current?.value ?? '');
    onClose();
  };
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    submit();
  };
  return (
    <form class="side-edit" onSubmit={onSubmit}>
      <input
        ref={field}
        class="input"
        aria-label="Title"
        maxLength={120}
        defaultValue={conversation.title}
        onKeyDown={onKeyDown}
      />
      <IconButton icon="check" label="Save title" onClick={submit} />
    </form>
  );
}

function DeleteQuestion({ conversation: { id, title }, onClose }: EditorProps) {
  const cancel = useRef<HTMLButtonElement>(null);
  useEffect(() => cancel.current?.focus(), []);
  const onDelete = () => {
    runningIn(id)?.stop();
    void remove(id);
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: two buttons of a question, not fields of a form
    <div class="side-edit" role="group" aria-label={`Delete "${title}"?`}>
      <span class="small">Delete?</span>
      <button type="button" class="button compact danger" onClick={onDelete}>
        Delete
      </button>
      <button type="button" ref={cancel} class="button compact" onClick={onClose}>
        Cancel
      </button>
    </div>
  );
}

export interface ConversationItemProps {
  readonly conversation: Conversation;
  readonly isOpen: boolean;
}

export function ConversationItem({ conversation, isOpen }: ConversationItemProps) {
  const [editor, setEditor] = useState<'rename' | 'delete' | null>(null);
  const onClose = () => setEditor(null);
  const { id, title } = conversation;
  return (
    <li class={isOpen ? 'side-item is-open' : 'side-item'}>
      {editor === 'rename' && <RenameForm conversation={conversation} onClose={onClose} />}
      {editor === 'delete' && <DeleteQuestion conversation={conversation} onClose={onClose} />}
      {editor === null && (
        <>
          <a href={toHash('chat', id)} aria-current={isOpen ? 'page' : undefined} title={title}>
            {title}
          </a>
          <IconButton icon="pencil" label={`Rename "${title}"`} onClick={() => setEditor('rename')} />
          <IconButton icon="bin" label={`Delete "${title}"`} onClick={() => setEditor('delete')} />
        </>
      )}
    </li>
  );
}

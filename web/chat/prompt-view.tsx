// The prompt of a turn, which can be edited and sent again.
import { useState } from 'preact/hooks';
import { IconButton } from '../shell/icon.tsx';
import { editPrompt } from './answering.ts';
import type { Turn } from './conversation.ts';
import { CopyButton } from './copy-button.tsx';
import { PromptField } from './prompt-field.tsx';

interface EditFormProps {
  readonly prompt: string;
  readonly onSend: (prompt: string) => void;
  readonly onCancel: () => void;
}

function EditForm({ prompt, onSend, onCancel }: EditFormProps) {
  const [text, setText] = useState(prompt);
  const submit = () => text.trim() !== '' && onSend(text);
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    submit();
  };
  return (
    <form class="prompt-edit" onSubmit={onSubmit}>
      <PromptField
        label="Edited prompt"
        class="input"
        text={text}
        onText={setText}
        onSend={submit}
        onEscape={onCancel}
        focusKey="edit"
      />
      <p class="small quiet">Sending removes its answers and all later messages.</p>
      <div class="prompt-edit-buttons">
        <button type="button" class="button compact" onClick={onCancel}>
          Cancel
        </button>
        <button type="submit" class="button compact primary" disabled={text.trim() === ''}>
          Send
        </button>
      </div>
    </form>
  );
}

export interface PromptViewProps {
  readonly conversationId: string;
  readonly turn: Turn;
  readonly canEdit: boolean;
}

export function PromptView({ conversationId, turn, canEdit }: PromptViewProps) {
  const [isEditing, setEditing] = useState(false);
  const onSend = (prompt: string) => {
    setEditing(false);
    void editPrompt(conversationId, turn.id, prompt);
  };
  if (isEditing) return <EditForm prompt={turn.prompt} onSend={onSend} onCancel={() => setEditing(false)} />;
  return (
    <div class="prompt">
      <div class="prompt-buttons">
        {canEdit && <IconButton icon="pencil" label="Edit prompt" onClick={() => setEditing(true)} />}
        <CopyButton name="prompt" text={turn.prompt} />
      </div>
      <p class="prompt-text">{turn.prompt}</p>
    </div>
  );
}

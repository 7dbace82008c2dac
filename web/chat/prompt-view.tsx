// What the reader said, which can be said otherwise.
import { useEffect, useRef, useState } from 'preact/hooks';
import { Icon } from '../shell/icon.tsx';
import { editPrompt } from './answering.ts';
import type { Turn } from './conversation.ts';
import { CopyButton } from './copy-button.tsx';
import { isSendKey } from './text-keys.ts';

export interface PromptViewProps {
  readonly conversationId: string;
  readonly turn: Turn;
  readonly canEdit: boolean;
}

interface EditFormProps {
  readonly prompt: string;
  readonly onSend: (prompt: string) => void;
  readonly onEnd: () => void;
}

function EditForm({ prompt, onSend, onEnd }: EditFormProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState(prompt);
  useEffect(() => field.current?.focus(), []);
  const submit = () => text.trim() !== '' && onSend(text);
  const onKey = (event: KeyboardEvent) => {
    const isEscape = event.key === 'Escape';
    if (!isEscape && !isSendKey(event)) return;
    event.preventDefault();
    if (isEscape) onEnd();
    else submit();
  };
  return (
    <form
      class="prompt-edit"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <textarea
        ref={field}
        class="input"
        rows={Math.min(8, text.split('\n').length + 1)}
        aria-label="Your question"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={onKey}
      />
      <p class="small quiet">Its answers, and all that was said after it, will be removed.</p>
      <div class="prompt-edit-buttons">
        <button type="button" class="button compact" onClick={onEnd}>
          Cancel
        </button>
        <button type="submit" class="button compact primary" disabled={text.trim() === ''}>
          Ask again
        </button>
      </div>
    </form>
  );
}

export function PromptView({ conversationId, turn, canEdit }: PromptViewProps) {
  const [isEdited, setEdited] = useState(false);
  if (isEdited)
    return (
      <EditForm
        prompt={turn.prompt}
        onSend={(prompt) => {
          setEdited(false);
          void editPrompt(conversationId, turn.id, prompt);
        }}
        onEnd={() => setEdited(false)}
      />
    );
  return (
    <div class="prompt">
      <div class="prompt-buttons">
        {canEdit && (
          <button
            type="button"
            class="button icon compact quiet"
            aria-label="Edit the question"
            onClick={() => setEdited(true)}
          >
            <Icon name="pencil" />
          </button>
        )}
        <CopyButton name="question" text={turn.prompt} />
      </div>
      <p class="prompt-text">{turn.prompt}</p>
    </div>
  );
}

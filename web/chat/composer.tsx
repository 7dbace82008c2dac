// Where a prompt is written, and the sampling settings.
import { useState } from 'preact/hooks';
import './composer.css';
import { Icon } from '../shell/icon.tsx';
import { runningIn, send } from './answering.ts';
import type { Conversation } from './conversation.ts';
import { PromptField } from './prompt-field.tsx';
import { SettingsPanel } from './settings-panel.tsx';

export function Composer({ conversation }: { readonly conversation: Conversation | null }) {
  const [text, setText] = useState('');
  const [showsSettings, setShowsSettings] = useState(false);
  const id = conversation?.id ?? null;
  const running = id === null ? null : runningIn(id);
  const submit = () => {
    if (text.trim() === '' || running !== null) return;
    setText('');
    void send(id, text.trim());
  };
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    submit();
  };
  return (
    <form class="composer" onSubmit={onSubmit}>
      <div class="composer-card">
        {showsSettings && <SettingsPanel />}
        <PromptField
          label="Your message"
          placeholder="Ask something"
          text={text}
          onText={setText}
          onSend={submit}
          focusKey={matchMedia('(hover: hover)').matches ? id : undefined}
        />
        <div class="composer-buttons">
          <button
            type="button"
            class="button compact quiet"
            aria-expanded={showsSettings}
            aria-controls="settings"
            onClick={() => setShowsSettings(!showsSettings)}
          >
            <Icon name="dials" />
            Settings
          </button>
          {running === null ? (
            <button type="submit" class="button icon compact primary" aria-label="Send" disabled={text.trim() === ''}>
              <Icon name="up" />
            </button>
          ) : (
            <button type="button" class="button compact" onClick={running.stop}>
              <Icon name="stop" />
              Stop
            </button>
          )}
        </div>
      </div>
    </form>
  );
}

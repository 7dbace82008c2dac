// Where the next word is said, and how it is sampled.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import './composer.css';
import { Icon } from '../shell/icon.tsx';
import { runningIn, send } from './answering.ts';
import type { Conversation } from './conversation.ts';
import { SettingsPanel } from './settings-panel.tsx';
import { isSendKey } from './text-keys.ts';

const tallestPx = 240;

/** As tall as its text, up to a limit. */
function useHeight(text: string) {
  const field = useRef<HTMLTextAreaElement>(null);
  // The text decides the height.
  useLayoutEffect(() => {
    const element = field.current as HTMLTextAreaElement;
    element.style.height = 'auto';
    element.style.height = `${Math.min(tallestPx, element.scrollHeight + 2)}px`;
  }, [text]);
  return field;
}

function SendOrStop({ onStop, isEmpty }: { readonly onStop: (() => void) | null; readonly isEmpty: boolean }) {
  if (onStop === null)
    return (
      <button type="submit" class="button icon compact primary" aria-label="Send" disabled={isEmpty}>
        <Icon name="up" />
      </button>
    );
  return (
    <button type="button" class="button compact" onClick={onStop}>
      <Icon name="stop" />
      Stop
    </button>
  );
}

export function Composer({ conversation }: { readonly conversation: Conversation | null }) {
  const [text, setText] = useState('');
  const [hasSettings, setSettings] = useState(false);
  const field = useHeight(text);
  const id = conversation?.id ?? null;
  const running = id === null ? null : runningIn(id);
  // Another conversation is opened to speak in it.
  useEffect(() => {
    if (matchMedia('(hover: hover)').matches) field.current?.focus();
  }, [id]);
  const submit = () => {
    if (text.trim() === '' || running !== null) return;
    setText('');
    void send(id, text.trim());
  };
  const onKey = (event: KeyboardEvent) => {
    if (!isSendKey(event)) return;
    event.preventDefault();
    submit();
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <div class="composer-card">
        {hasSettings && <SettingsPanel />}
        <textarea
          ref={field}
          rows={1}
          placeholder="Ask something"
          aria-label="Your message"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={onKey}
        />
        <div class="composer-buttons">
          <button
            type="button"
            class="button compact quiet"
            aria-expanded={hasSettings}
            aria-controls="settings"
            onClick={() => setSettings(!hasSettings)}
          >
            <Icon name="dials" />
            Settings
          </button>
          <SendOrStop onStop={running?.stop ?? null} isEmpty={text.trim() === ''} />
        </div>
      </div>
    </form>
  );
}

// The form for the key of a server that requires one.
import { useState } from 'preact/hooks';
import { setKey } from '../api/http.ts';
import { loadServerInfo } from '../api/server-info.ts';

export function KeyForm() {
  const [text, setText] = useState('');
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    setKey(text.trim());
    void loadServerInfo();
  };
  return (
    <form class="card chat-notice key-form" onSubmit={onSubmit}>
      <label class="field">
        <span>
          This server requires one of the keys it was started with. The key is forgotten when you close the tab.
        </span>
        <input
          class="input"
          type="password"
          autocomplete="off"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="button primary" disabled={text.trim() === ''}>
        Use this key
      </button>
    </form>
  );
}

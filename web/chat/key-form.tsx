// Where a server that asks for a key gets it.
import { useState } from 'preact/hooks';
import { loadFacts } from '../api/facts.ts';
import { takeKey } from '../api/http.ts';

export function KeyForm() {
  const [key, setKey] = useState('');
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    takeKey(key.trim());
    void loadFacts();
  };
  return (
    <form class="card chat-notice key-form" onSubmit={onSubmit}>
      <label class="field">
        <span>
          This server asks for a key, one of those it was started with. It is forgotten when the tab is closed.
        </span>
        <input
          class="input"
          type="password"
          autocomplete="off"
          value={key}
          onInput={(event) => setKey(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="button primary" disabled={key.trim() === ''}>
        Use this key
      </button>
    </form>
  );
}

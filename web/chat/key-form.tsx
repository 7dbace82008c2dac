// The form for the key of a server that requires one. A key that the server refuses stays in the field.
import { useState } from 'preact/hooks';
import { ApiProblem, keyProblem, storeKey } from '../api/http.ts';
import { loadServerInfo } from '../api/server-info.ts';

const wrongKey = 'The server does not know this key.';

export function KeyForm() {
  const [text, setText] = useState('');
  const [isWaiting, setWaiting] = useState(false);
  const [problem, setProblem] = useState(keyProblem.value === 'wrong' ? wrongKey : null);
  const onSubmit = async (event: SubmitEvent) => {
    event.preventDefault();
    setWaiting(true);
    setProblem(null);
    try {
      await storeKey(text.trim());
      await loadServerInfo();
    } catch (error) {
      setProblem(error instanceof ApiProblem && error.status === 401 ? wrongKey : (error as Error).message);
    }
    setWaiting(false);
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
          aria-invalid={problem !== null}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      {problem !== null && (
        <p class="notice small" role="alert">
          {problem}
        </p>
      )}
      <button type="submit" class="button primary" disabled={isWaiting || text.trim() === ''}>
        Use this key
      </button>
    </form>
  );
}

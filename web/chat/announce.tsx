// Announcements for screen readers: the start of an answer and its end, not every token.
import { signal } from '@preact/signals';

const text = signal('');

export function announce(message: string): void {
  text.value = message;
}

export function Announcer() {
  return (
    <div class="visually-hidden" role="status" aria-live="polite">
      {text}
    </div>
  );
}

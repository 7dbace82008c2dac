// What a screen reader is told of an answer: that it begins, and, once, what it came to. Not every token.
import { signal } from '@preact/signals';

const text = signal('');

export function announce(words: string): void {
  text.value = words;
}

export function Announcer() {
  return (
    <div class="unseen" role="status" aria-live="polite">
      {text}
    </div>
  );
}

// Copies a text, and says that it did. Not there where the browser lets no page copy.
import { useState } from 'preact/hooks';
import { Icon } from '../shell/icon.tsx';

export interface CopyButtonProps {
  /** Of what, for people. */
  readonly name: string;
  readonly text: string;
}

export function CopyButton({ name, text }: CopyButtonProps) {
  const [isDone, setDone] = useState(false);
  if (navigator.clipboard === undefined) return null;
  const onClick = () =>
    navigator.clipboard.writeText(text).then(() => {
      setDone(true);
      setTimeout(() => setDone(false), 1500);
    });
  return (
    <button
      type="button"
      class="button icon compact quiet"
      aria-label={isDone ? 'Copied' : `Copy the ${name}`}
      onClick={onClick}
    >
      <Icon name={isDone ? 'check' : 'copy'} />
    </button>
  );
}

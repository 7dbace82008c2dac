// A button that copies a text. It is missing where the browser gives pages no clipboard.
import { useState } from 'preact/hooks';
import { IconButton } from '../shell/icon.tsx';

export interface CopyButtonProps {
  /** What is copied, for the label. */
  readonly name: string;
  readonly text: string;
}

export function CopyButton({ name, text }: CopyButtonProps) {
  const [isDone, setDone] = useState(false);
  if (navigator.clipboard === undefined) return null;
  const onClick = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return <IconButton icon={isDone ? 'check' : 'copy'} label={isDone ? 'Copied' : `Copy ${name}`} onClick={onClick} />;
}

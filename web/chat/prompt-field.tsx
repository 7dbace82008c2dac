// The text field for a prompt: as tall as its text, up to a limit. Enter sends; Shift+Enter starts a new line.
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';

const maxHeightPx = 240;

export interface PromptFieldProps {
  readonly label: string;
  readonly text: string;
  readonly onText: (text: string) => void;
  readonly onSend: () => void;
  readonly onEscape?: () => void;
  readonly class?: string;
  readonly placeholder?: string;
  /** The field takes the focus whenever this value changes; undefined: never. */
  readonly focusKey: string | null | undefined;
}

export function PromptField({ label, text, onText, onSend, onEscape, focusKey, ...more }: PromptFieldProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    const element = field.current as HTMLTextAreaElement;
    element.style.height = 'auto';
    element.style.height = `${Math.min(maxHeightPx, element.scrollHeight + 2)}px`;
  }, [text]);
  useEffect(() => {
    if (focusKey !== undefined) field.current?.focus();
  }, [focusKey]);
  const onKeyDown = (event: KeyboardEvent) => {
    const isEscape = event.key === 'Escape' && onEscape !== undefined;
    // While an input method composes a word, Enter belongs to it.
    const isSend = event.key === 'Enter' && !event.shiftKey && !event.isComposing;
    if (!isEscape && !isSend) return;
    event.preventDefault();
    if (isSend) onSend();
    else onEscape?.();
  };
  return (
    <textarea
      {...more}
      ref={field}
      rows={1}
      aria-label={label}
      value={text}
      onInput={(event) => onText(event.currentTarget.value)}
      onKeyDown={onKeyDown}
    />
  );
}

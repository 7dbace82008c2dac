/** Enter alone sends; with Shift it begins a line, and while a word is composed it belongs to the keyboard. */
export function isSendKey(event: KeyboardEvent): boolean {
  return event.key === 'Enter' && !event.shiftKey && !event.isComposing;
}

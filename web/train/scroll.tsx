// A region that scrolls, also by the keyboard.
import type { ComponentChildren } from 'preact';

interface ScrollProps {
  /** The label for screen readers. */
  readonly name: string;
  /** Whether the content is text with its line breaks, rather than tables. */
  readonly isText?: boolean;
  readonly children: ComponentChildren;
}

export function Scroll({ name, isText = false, children }: ScrollProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: without, the keyboard cannot scroll it (axe's rule)
    <section class={isText ? 'sample-text' : 'scroll'} tabIndex={0} aria-label={name}>
      {children}
    </section>
  );
}

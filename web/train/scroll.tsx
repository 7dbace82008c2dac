// What is larger than its place, and can be scrolled by the keyboard too.
import type { ComponentChildren } from 'preact';

export interface ScrollProps {
  /** For those who hear the page. */
  readonly name: string;
  /** A text as it stands, rather than tables. */
  readonly isText?: boolean;
  readonly children: ComponentChildren;
}

export function Scroll({ name, isText = false, children }: ScrollProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: without, the keyboard cannot scroll it (axe: scrollable-region-focusable)
    <section class={isText ? 'sample-text' : 'scroll'} tabIndex={0} aria-label={name}>
      {children}
    </section>
  );
}

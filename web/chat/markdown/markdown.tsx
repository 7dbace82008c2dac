// Markdown text of a model as elements. While it grows, only the blocks that changed are rebuilt.
import { useLayoutEffect, useRef } from 'preact/hooks';
import './prose.css';
import { highlightIn } from './highlight.ts';
import { readBlocks } from './read.ts';
import { proseElements } from './sanitize.ts';
import { typesetIn } from './typeset.ts';

interface BlockProps {
  readonly source: string;
  readonly html: () => string;
  /** More of the block may follow: its code is not highlighted yet. */
  readonly isOpen: boolean;
}

function copyButton(pre: Element): HTMLButtonElement {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'button compact prose-copy';
  button.textContent = 'Copy';
  button.addEventListener('click', () => {
    void navigator.clipboard?.writeText(pre.querySelector('code')?.textContent ?? '').then(() => {
      button.textContent = 'Copied';
      setTimeout(() => {
        button.textContent = 'Copy';
      }, 1500);
    });
  });
  return button;
}

/** Makes code and tables, which may be wider than the page, scroll by themselves, by keyboard too. */
function decorate(root: DocumentFragment): void {
  for (const wide of root.querySelectorAll('pre, table')) {
    const frame = document.createElement('div');
    const isCode = wide.localName === 'pre';
    frame.className = isCode ? 'prose-code' : 'prose-wide';
    wide.replaceWith(frame);
    frame.append(wide);
    const scroller = isCode ? (wide as HTMLElement) : frame;
    scroller.tabIndex = 0;
    scroller.role = 'region';
    scroller.ariaLabel = isCode ? 'Code' : 'Table';
    if (isCode && navigator.clipboard !== undefined) frame.append(copyButton(wide));
  }
}

function BlockView({ source, html, isOpen }: BlockProps) {
  const place = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const elements = proseElements(html());
    decorate(elements);
    typesetIn(elements);
    if (!isOpen) highlightIn(elements);
    place.current?.replaceChildren(elements);
  }, [source, isOpen]);
  return <div ref={place} />;
}

export interface MarkdownProps {
  readonly text: string;
  readonly isGrowing: boolean;
}

export function Markdown({ text, isGrowing }: MarkdownProps) {
  const blocks = readBlocks(text);
  return (
    <div class="prose">
      {blocks.map((block, i) => (
        <BlockView key={i} source={block.source} html={block.html} isOpen={isGrowing && i === blocks.length - 1} />
      ))}
    </div>
  );
}

// Syntax highlighting by highlight.js for a few languages. The library is loaded when the first such code appears.
import { loadOnce } from './load-once.ts';
import { codeElements } from './sanitize.ts';

const maxLength = 50_000;

/** Languages by the names that code blocks use. */
const languages = new Map(
  ['javascript js jsx', 'typescript ts tsx', 'python py', 'bash sh shell', 'json', 'cpp c++ c cc'].flatMap((names) => {
    const [language] = names.split(' ');
    return names.split(' ').map((name) => [name, language] as const);
  }),
);

const loadHighlighter = loadOnce(() => import('./highlighter.ts'));

/** Highlights code in the known languages; other code stays plain. */
export function highlightIn(root: ParentNode): void {
  for (const code of root.querySelectorAll('pre > code')) {
    const written = /\blanguage-(\S+)/.exec(code.className)?.[1]?.toLowerCase() ?? '';
    const language = languages.get(written);
    const source = code.textContent;
    if (language === undefined || source.length > maxLength) continue;
    void loadHighlighter().then(
      ({ highlighter }) => code.replaceChildren(codeElements(highlighter.highlight(source, { language }).value)),
      () => undefined, // the code stays plain
    );
  }
}

// Syntax highlighting by highlight.js for a few languages. The library is loaded when the first such code appears.
import type { HLJSApi } from 'highlight.js';
import { codeElements } from './sanitize.ts';

const maxLength = 50_000;

const aliases: Readonly<Record<string, string>> = {
  js: 'javascript',
  jsx: 'javascript',
  ts: 'typescript',
  tsx: 'typescript',
  py: 'python',
  sh: 'bash',
  shell: 'bash',
  'c++': 'cpp',
  c: 'cpp',
  cc: 'cpp',
};
const names = ['javascript', 'typescript', 'python', 'bash', 'json', 'cpp'];

let loading: Promise<HLJSApi> | null = null;

function load(): Promise<HLJSApi> {
  loading ??= import('./highlighter.ts').then(({ highlighter }) => highlighter);
  return loading;
}

/** Highlights code in the known languages; other code stays plain. */
export function highlightIn(root: ParentNode): void {
  for (const code of root.querySelectorAll('pre > code')) {
    const written = /\blanguage-(\S+)/.exec(code.className)?.[1]?.toLowerCase() ?? '';
    const language = aliases[written] ?? written;
    const source = code.textContent;
    if (!names.includes(language) || source.length > maxLength) continue;
    void load().then(
      (highlighter) => code.replaceChildren(codeElements(highlighter.highlight(source, { language }).value)),
      () => {
        loading = null;
      },
    );
  }
}

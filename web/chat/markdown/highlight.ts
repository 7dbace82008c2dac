// Code in colours, by highlight.js with a few languages: a chunk that is loaded when the first such code is there.
import type { HLJSApi } from 'highlight.js';
import { codeElements } from './sanitize.ts';

const longest = 50_000;

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

/** Colours code in a language that is known; other code stays plain. */
export function highlightIn(root: ParentNode): void {
  for (const code of root.querySelectorAll('pre > code')) {
    const written = /\blanguage-(\S+)/.exec(code.className)?.[1]?.toLowerCase() ?? '';
    const language = aliases[written] ?? written;
    const source = code.textContent;
    if (!names.includes(language) || source.length > longest) continue;
    void load().then(
      (highlighter) => code.replaceChildren(codeElements(highlighter.highlight(source, { language }).value)),
      () => {
        loading = null;
      },
    );
  }
}

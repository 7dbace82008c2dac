// KaTeX with its styles and fonts: a chunk of its own. Commands that make links, classes or attributes are not trusted.
import katex from 'katex';
import 'katex/dist/katex.min.css';

const longest = 10_000;

export function typeset(tex: string, isBlock: boolean): string {
  const options = { trust: false, strict: 'ignore', throwOnError: false, maxExpand: 500, maxSize: 20 } as const;
  return katex.renderToString(tex.slice(0, longest), { ...options, displayMode: isBlock, output: 'htmlAndMathml' });
}

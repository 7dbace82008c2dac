// KaTeX with its styles and fonts, loaded separately. Commands that make links, classes or attributes are not trusted.
import katex from 'katex';
import 'katex/dist/katex.min.css';

const maxLength = 10_000;

export function typeset(tex: string, isBlock: boolean): string {
  const options = { trust: false, strict: 'ignore', throwOnError: false, maxExpand: 500, maxSize: 20 } as const;
  return katex.renderToString(tex.slice(0, maxLength), { ...options, displayMode: isBlock, output: 'htmlAndMathml' });
}

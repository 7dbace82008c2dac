// Converts GitHub's markdown to HTML, block by block, with mathematics between $, $$, \( \) and \[ \].
//
// Raw HTML stays text. Images become links: the page loads nothing from other servers, and an address could carry what
// a model knows. Mathematics keeps its source; typeset.ts renders it.
import { Marked, type RendererObject, type TokenizerAndRendererExtension, type Tokens } from 'marked';

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escaped = (text: string): string => text.replace(/[&<>"']/g, (sign) => escapes[sign]);

/** Returns a link for an http, https or mailto address, and text for others. */
function link(href: string, inner: string): string {
  return /^(?:https?:|mailto:)/i.test(href) ? `<a href="${escaped(href)}">${inner}</a>` : inner;
}

const topHeading = 3; // the page itself has headings of levels 1 and 2

const renderer: RendererObject = {
  html: ({ text }: Tokens.HTML | Tokens.Tag) => escaped(text),
  link({ href, tokens }: Tokens.Link) {
    return link(href, this.parser.parseInline(tokens));
  },
  image: ({ href, text }: Tokens.Image) => link(href, escaped(text || href)),
  heading({ depth, tokens }: Tokens.Heading) {
    const level = Math.min(6, depth + topHeading - 1);
    return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
  },
  code: ({ text, lang }: Tokens.Code) => {
    const language = /^[\w+#-]+/.exec(lang ?? '')?.[0] ?? '';
    return `<pre><code class="language-${escaped(language)}">${escaped(text)}\n</code></pre>`;
  },
  checkbox: ({ checked }: Tokens.Checkbox) => (checked ? '☑ ' : '☐ '),
};

interface MathToken extends Tokens.Generic {
  readonly tex: string;
}

const renderMath = (isBlock: boolean) => (token: Tokens.Generic) => {
  const tex = escaped((token as MathToken).tex);
  return isBlock ? `<p class="math math-block">${tex}</p>` : `<span class="math">${tex}</span>`;
};

function math(name: string, start: RegExp, rule: RegExp, level: 'block' | 'inline'): TokenizerAndRendererExtension {
  return {
    name,
    level,
    renderer: renderMath(level === 'block'),
    start: (source: string) => start.exec(source)?.index,
    tokenizer(source: string) {
      const match = rule.exec(source);
      return match === null ? undefined : { type: name, raw: match[0], tex: (match[1] ?? match[2] ?? '').trim() };
    },
  };
}

const marked = new Marked({
  gfm: true,
  async: false,
  renderer,
  extensions: [
    math('mathBlock', /\$\$|\\\[/, /^(?:\$\$([^$]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n|$)/, 'block'),
    math('mathDisplay', /\$\$|\\\[/, /^(?:\$\$([^$]+?)\$\$|\\\[([\s\S]+?)\\\])/, 'inline'),
    // $ may also mean money: no space inside the delimiters, no digit after them.
    math('mathInline', /\$|\\\(/, /^(?:\$(?!\s|\$)((?:\\.|[^$\\\n])+?)(?<!\s)\$(?!\d)|\\\(([\s\S]+?)\\\))/, 'inline'),
  ],
});

export interface MarkdownBlock {
  /** The same source gives the same HTML. */
  readonly source: string;
  html(): string;
}

export function readBlocks(text: string): MarkdownBlock[] {
  const tokens = marked.lexer(text);
  return tokens
    .filter(({ type }) => type !== 'space' && type !== 'def')
    .map((token) => ({ source: token.raw, html: () => marked.parser([token]) }));
}

// The only way from the text of a model to elements of the page.
//
// First defense: the markdown reader escapes raw HTML, so that only its own tags remain. Second: DOMPurify allows the
// few tags and attributes that markdown needs. Third: the server's content security policy runs only scripts that are
// files and lets only DOMPurify turn a text into elements.
import createPurifier from 'dompurify';

const purifier = createPurifier(window);

const addresses = /^(?:https?:|mailto:)/i;
const strictOptions = { ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false, RETURN_DOM_FRAGMENT: true } as const;

const prose = {
  ...strictOptions,
  ALLOWED_TAGS: [
    ...['p', 'br', 'strong', 'em', 'del', 'code', 'pre', 'blockquote', 'ul', 'ol', 'li', 'hr', 'a', 'span'],
    ...['h3', 'h4', 'h5', 'h6', 'table', 'thead', 'tbody', 'tr', 'th', 'td'],
  ],
  ALLOWED_ATTR: ['href', 'class', 'align', 'start'],
  ALLOWED_URI_REGEXP: addresses,
};

/** Returns elements for HTML of the markdown reader. Links open a new page and send no referrer. */
export function proseElements(html: string): DocumentFragment {
  const fragment = purifier.sanitize(html, prose);
  for (const link of fragment.querySelectorAll('a')) {
    link.target = '_blank';
    link.rel = 'noopener noreferrer nofollow';
  }
  return fragment;
}

/** Returns elements for HTML of the highlighter. */
export function codeElements(html: string): DocumentFragment {
  return purifier.sanitize(html, { ...strictOptions, ALLOWED_TAGS: ['span'], ALLOWED_ATTR: ['class'] });
}

const styleAttribute = 'data-style';

/**
 * Returns elements for HTML of KaTeX, which positions symbols by style attributes. The content security policy forbids
 * those, so the styles are moved to another attribute and set one by one.
 */
export function mathElements(html: string): DocumentFragment {
  const fragment = purifier.sanitize(html.replaceAll(' style="', ` ${styleAttribute}="`), {
    RETURN_DOM_FRAGMENT: true,
    USE_PROFILES: { html: true, mathMl: true, svg: true },
    ADD_TAGS: ['semantics', 'annotation'],
    ADD_ATTR: ['encoding'],
    FORBID_TAGS: ['a', 'img', 'style', 'form', 'input', 'button', 'audio', 'video', 'image'],
    FORBID_ATTR: ['style', 'id', 'name', 'href', 'src'],
  });
  for (const element of fragment.querySelectorAll<HTMLElement | SVGElement>(`[${styleAttribute}]`)) {
    element.style.cssText = element.getAttribute(styleAttribute) as string;
    element.removeAttribute(styleAttribute);
  }
  return fragment;
}

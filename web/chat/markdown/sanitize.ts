// The only way from text that a model wrote to elements of the page.
//
// First line: the markdown reader escapes raw HTML, so that only its own tags are there. Second line: DOMPurify, which
// knows the few tags and attributes that markdown needs and drops all else. Third line: the server's policy, which runs
// no script that is not a file and lets nobody but DOMPurify make elements of a text.
import createPurifier from 'dompurify';

const purifier = createPurifier(window);

const addresses = /^(?:https?:|mailto:)/i;
const outside = { ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false, RETURN_DOM_FRAGMENT: true } as const;

const prose = {
  ...outside,
  ALLOWED_TAGS: [
    ...['p', 'br', 'strong', 'em', 'del', 'code', 'pre', 'blockquote', 'ul', 'ol', 'li', 'hr', 'a', 'span'],
    ...['h3', 'h4', 'h5', 'h6', 'table', 'thead', 'tbody', 'tr', 'th', 'td'],
  ],
  ALLOWED_ATTR: ['href', 'class', 'align', 'start'],
  ALLOWED_URI_REGEXP: addresses,
};

/** HTML of the markdown reader. Links leave the page, and tell nobody where from. */
export function proseElements(html: string): DocumentFragment {
  const fragment = purifier.sanitize(html, prose);
  for (const link of fragment.querySelectorAll('a')) {
    link.target = '_blank';
    link.rel = 'noopener noreferrer nofollow';
  }
  return fragment;
}

/** HTML of the highlighter. */
export function codeElements(html: string): DocumentFragment {
  return purifier.sanitize(html, { ...outside, ALLOWED_TAGS: ['span'], ALLOWED_ATTR: ['class'] });
}

const moved = 'data-style';

/**
 * HTML of the mathematics, which places its signs by styles. The policy takes no style that stands in an attribute, so
 * they are moved aside and set one by one.
 */
export function mathElements(html: string): DocumentFragment {
  const fragment = purifier.sanitize(html.replaceAll(' style="', ` ${moved}="`), {
    RETURN_DOM_FRAGMENT: true,
    USE_PROFILES: { html: true, mathMl: true, svg: true },
    ADD_TAGS: ['semantics', 'annotation'],
    ADD_ATTR: ['encoding'],
    FORBID_TAGS: ['a', 'img', 'style', 'form', 'input', 'button', 'audio', 'video', 'image'],
    FORBID_ATTR: ['style', 'id', 'name', 'href', 'src'],
  });
  for (const element of fragment.querySelectorAll<HTMLElement | SVGElement>(`[${moved}]`)) {
    element.style.cssText = element.getAttribute(moved) as string;
    element.removeAttribute(moved);
  }
  return fragment;
}

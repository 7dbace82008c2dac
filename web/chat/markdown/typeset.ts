// Mathematics by KaTeX, which is loaded when the first formula appears. Formulas that it cannot read stay source text.
import { loadOnce } from './load-once.ts';
import { mathElements } from './sanitize.ts';

type Typeset = typeof import('./katex.ts').typeset;

let loaded: Typeset | null = null;

const load = loadOnce(async () => {
  loaded = (await import('./katex.ts')).typeset;
  return loaded;
});

function replaceFormula(place: Element, typeset: Typeset): void {
  const tex = place.textContent;
  if (tex === '' || place.classList.contains('is-set')) return;
  place.replaceChildren(mathElements(typeset(tex, place.classList.contains('math-block'))));
  place.classList.add('is-set');
}

/** Replaces the formulas in `root`: at once if KaTeX is loaded, which avoids flicker while text grows, or soon. */
export function typesetIn(root: ParentNode): void {
  const places = [...root.querySelectorAll('.math')];
  if (places.length === 0) return;
  const replaceAll = (typeset: Typeset) => {
    for (const place of places) replaceFormula(place, typeset);
  };
  if (loaded !== null) replaceAll(loaded);
  else void load().then(replaceAll, () => undefined); // formulas stay source text; the next one tries again
}

// Mathematics by KaTeX, which is loaded when the first formula appears. Formulas that it cannot read stay source text.
import { mathElements } from './sanitize.ts';

type Typeset = (tex: string, isBlock: boolean) => string;

let loading: Promise<Typeset> | null = null;
let loaded: Typeset | null = null;

function load(): Promise<Typeset> {
  loading ??= import('./katex.ts').then(({ typeset }) => {
    loaded = typeset;
    return typeset;
  });
  return loading;
}

function replace(place: Element, typeset: Typeset): void {
  const tex = place.textContent;
  if (tex === '' || place.classList.contains('is-set')) return;
  place.replaceChildren(mathElements(typeset(tex, place.classList.contains('math-block'))));
  place.classList.add('is-set');
}

export function typesetIn(root: ParentNode): void {
  const places = [...root.querySelectorAll('.math')];
  if (places.length === 0) return;
  if (loaded !== null) for (const place of places) replace(place, loaded);
  else
    void load().then(
      (typeset) => {
        for (const place of places) replace(place, typeset);
      },
      () => {
        loading = null; // the next formula tries again
      },
    );
}

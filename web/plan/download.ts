// Files that the page writes: a chart as SVG with the colors it is shown in, and figures as CSV.
import { type Figure, formatFigure } from '../../src/planner/index.ts';

function save(name: string, type: string, text: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

const styles = ['fill', 'stroke', 'stroke-width', 'stroke-dasharray', 'font-size', 'font-family', 'opacity'] as const;

/** Saves an SVG element as a file that needs no style sheet. */
export function saveSvg(name: string, svg: SVGSVGElement): void {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const shown = svg.querySelectorAll('*');
  for (const [i, element] of [...copy.querySelectorAll('*')].entries()) {
    const style = getComputedStyle(shown[i] as Element);
    for (const property of styles) element.setAttribute(property, style.getPropertyValue(property));
    element.removeAttribute('class');
  }
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  copy.style.background = getComputedStyle(svg.closest('.card') ?? document.body).backgroundColor;
  save(`${name}.svg`, 'image/svg+xml', new XMLSerializer().serializeToString(copy));
}

const cell = (text: string) => `"${text.replaceAll('"', '""')}"`;

/** Saves figures with their bands, units, formulas, and sources; unknown ones have empty cells. */
export function saveCsv(name: string, figures: readonly Figure[]): void {
  const head = ['name', 'low', 'middle', 'high', 'unit', 'shown as', 'formula', 'source'];
  const rows = figures.map((figure) => {
    const { value, unit, formula, source } = figure;
    const band = [value?.low, value?.middle, value?.high].map((end) => (end === undefined ? '' : String(end)));
    return [figure.name, ...band, unit, formatFigure(figure), formula, source];
  });
  save(`${name}.csv`, 'text/csv', `${[head, ...rows].map((row) => row.map(cell).join(',')).join('\r\n')}\r\n`);
}

// Plans as text: a line for each figure, a column for each model, and on request where every figure comes from.
import { type Figure, formatFigure } from '../planner/index.ts';

/** A plan as sections of figures. */
export interface PlanSection {
  readonly title: string;
  readonly figures: readonly Figure[];
}

export interface PlanReport {
  readonly name: string;
  readonly sections: readonly PlanSection[];
  /** Sentences after the figures. */
  readonly notes: readonly string[];
  /** What --json prints. */
  readonly json: unknown;
}

/** Lists what a figure rests on, once each, indented by depth. */
function explain(figure: Figure, depth: number, seen: Set<Figure>): string[] {
  if (seen.has(figure)) return [];
  seen.add(figure);
  const origin = figure.formula === '' ? figure.source : figure.formula;
  const line = `${'  '.repeat(depth)}${figure.name} = ${formatFigure(figure)}   [${origin}]`;
  return [line, ...Object.values(figure.inputs).flatMap((input) => explain(input, depth + 1, seen))];
}

/** Returns a figure of each report with the name of one, in its order; undefined where a report has none. */
function column(reports: readonly PlanReport[], title: string, name: string): (Figure | undefined)[] {
  return reports.map(({ sections }) =>
    sections.find((each) => each.title === title)?.figures.find((each) => each.name === name),
  );
}

function rowsIn(reports: readonly PlanReport[], title: string): string[] {
  const figures = reports.flatMap(({ sections }) => sections.filter((each) => each.title === title));
  return [...new Set(figures.flatMap((section) => section.figures.map(({ name }) => name)))];
}

/** Returns the lines of one plan, or of several side by side. */
export function planLines(reports: readonly PlanReport[], withOrigins: boolean): string[] {
  const titles = [...new Set(reports.flatMap(({ sections }) => sections.map(({ title }) => title)))];
  const table = titles.flatMap((title) =>
    rowsIn(reports, title).map((name) => {
      const cells = column(reports, title, name).map((figure) => (figure ? formatFigure(figure) : '-'));
      return { title, name, cells };
    }),
  );
  const width = Math.max(...table.map(({ name }) => name.length), 10) + 2;
  const widths = reports.map(({ name }, i) => Math.max(name.length, ...table.map(({ cells }) => cells[i].length)) + 3);
  const line = (name: string, cells: readonly string[]) =>
    `  ${name.padEnd(width)}${cells.map((cell, i) => cell.padEnd(widths[i])).join('')}`.trimEnd();
  const head =
    reports.length > 1
      ? [
          line(
            '',
            reports.map(({ name }) => name),
          ),
        ]
      : [reports[0].name];
  const body = titles.flatMap((title) => [
    title,
    ...table.filter((row) => row.title === title).map(({ name, cells }) => line(name, cells)),
  ]);
  const seen = new Set<Figure>();
  const origins = withOrigins
    ? reports.flatMap(({ name, sections }) => [
        `where the figures of ${name} come from`,
        ...sections.flatMap(({ figures }) => figures.flatMap((figure) => explain(figure, 1, seen))),
      ])
    : [];
  return [...head, ...body, ...reports.flatMap(({ notes }) => notes), ...origins];
}

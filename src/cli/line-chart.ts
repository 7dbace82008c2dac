// A line chart as an SVG file: curves over tokens, a legend, two axes. For results that are read in a repository.

export interface Line {
  readonly name: string;
  readonly x: readonly number[];
  readonly y: readonly number[];
}

export interface ChartOptions {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
}

const [width, height] = [720, 400];
const frame = { left: 64, right: 150, top: 40, bottom: 48 };
const colours = ['#2563eb', '#dc2626', '#059669', '#d97706', '#7c3aed', '#475569'];

/** Round numbers from `low` to `high`, about `count`. */
function ticks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((m) => m * power >= rough) as number) * power;
  const first = Math.ceil(low / step);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

const short = (x: number) => (Math.abs(x) >= 1e6 ? `${x / 1e6} M` : Math.abs(x) >= 1e3 ? `${x / 1e3} k` : String(x));
const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

function rangeOf(values: readonly number[]): [number, number] {
  const finite = values.filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  return low === high ? [low - 1, high + 1] : [low, high];
}

/** At most about `count` of the points of a line, evenly. */
function thinned(line: Line, count: number): Line {
  const step = Math.max(1, Math.floor(line.x.length / count));
  const keep = (_: number, i: number) => i % step === 0 || i === line.x.length - 1;
  return { ...line, x: line.x.filter(keep), y: line.y.filter(keep) };
}

/** The SVG text. */
export function lineChart(lines: readonly Line[], { title, xLabel, yLabel }: ChartOptions): string {
  const [x0, x1] = rangeOf(lines.flatMap(({ x }) => x));
  const [low, high] = rangeOf(lines.flatMap(({ y }) => y));
  const [y0, y1] = [low - 0.04 * (high - low), high + 0.04 * (high - low)];
  const [inner, tall] = [width - frame.left - frame.right, height - frame.top - frame.bottom];
  const px = (x: number) => frame.left + ((x - x0) / (x1 - x0)) * inner;
  const py = (y: number) => frame.top + (1 - (y - y0) / (y1 - y0)) * tall;
  const grid = [
    ...ticks(y0, y1, 6).map(
      (y) =>
        `<line x1="${frame.left}" x2="${frame.left + inner}" y1="${py(y).toFixed(1)}" y2="${py(y).toFixed(1)}" stroke="#e2e8f0"/>` +
        `<text x="${frame.left - 8}" y="${(py(y) + 4).toFixed(1)}" text-anchor="end">${short(y)}</text>`,
    ),
    ...ticks(x0, x1, 6).map(
      (x) => `<text x="${px(x).toFixed(1)}" y="${frame.top + tall + 20}" text-anchor="middle">${short(x)}</text>`,
    ),
  ];
  const drawn = lines.map((line, i) => {
    const { name, x, y } = thinned(line, 400);
    const colour = colours[i % colours.length];
    const points = x.map((at, j) => `${px(at).toFixed(1)},${py(y[j]).toFixed(1)}`).join(' ');
    const at = frame.top + 14 + 20 * i;
    return (
      `<polyline fill="none" stroke="${colour}" stroke-width="1.6" points="${points}"/>` +
      `<line x1="${width - frame.right + 12}" x2="${width - frame.right + 34}" y1="${at - 4}" y2="${at - 4}" stroke="${colour}" stroke-width="3"/>` +
      `<text x="${width - frame.right + 40}" y="${at}">${escaped(name)}</text>`
    );
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="#334155">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="${frame.left}" y="22" font-size="14" font-weight="600">${escaped(title)}</text>`,
    ...grid,
    `<line x1="${frame.left}" x2="${frame.left + inner}" y1="${frame.top + tall}" y2="${frame.top + tall}" stroke="#94a3b8"/>`,
    ...drawn,
    `<text x="${frame.left + inner / 2}" y="${height - 10}" text-anchor="middle">${escaped(xLabel)}</text>`,
    `<text transform="translate(16 ${frame.top + tall / 2}) rotate(-90)" text-anchor="middle">${escaped(yLabel)}</text>`,
    '</svg>',
    '',
  ].join('\n');
}

/** Charts one below the other, as one SVG text. */
export function stacked(charts: readonly string[]): string {
  const parts = charts.map((chart, i) =>
    chart.replace('<svg ', `<svg y="${i * height}" width="${width}" height="${height}" `),
  );
  const size = `width="${width}" height="${height * charts.length}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${parts.join('')}</svg>\n`;
}

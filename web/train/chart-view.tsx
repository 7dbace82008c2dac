// A chart with a table of the same values: the last, lowest and highest of each line, and the one at the pointer.
import { useEffect, useRef, useState } from 'preact/hooks';
import { type ChartData, type ChartLine, formatValue } from '../../src/runs/chart-data.ts';
import { currentTheme } from '../shell/theme.ts';
import { dashes, lineColor } from './colors.ts';
import type { Plot } from './plot.ts';

const loadPlot = () => import('./plot.ts');

interface CanvasProps {
  readonly chart: ChartData;
  readonly onPointer: (index: number | null) => void;
}

function Canvas({ chart, onPointer }: CanvasProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const latest = useRef(chart);
  latest.current = chart;
  useEffect(() => {
    let isMounted = true;
    const resized = new ResizeObserver(() => plot.current?.fit());
    void loadPlot().then((loaded) => {
      if (!isMounted || host.current === null) return;
      plot.current = new loaded.Plot(host.current, onPointer);
      plot.current.show(latest.current);
      resized.observe(host.current);
    });
    return () => {
      isMounted = false;
      resized.disconnect();
      plot.current?.close();
      plot.current = null;
    };
  }, []);
  useEffect(() => plot.current?.show(chart), [chart]);
  return <div class="chart-canvas" ref={host} />;
}

interface LineProps {
  readonly line: ChartLine;
  readonly order: number;
}

/** A piece of a line as it is drawn in the chart. */
function Swatch({ line, order }: LineProps) {
  return (
    <svg class="swatch" viewBox="0 0 24 8" style={{ stroke: `var(${lineColor(line, order)})` }} aria-hidden="true">
      {line.isSparse ? (
        <circle cx="12" cy="4" r="3" />
      ) : (
        <path d="M0 4h24" stroke-dasharray={dashes[order % dashes.length].join(' ')} />
      )}
    </svg>
  );
}

interface RowProps extends LineProps {
  readonly chart: ChartData;
  readonly index: number | null;
}

function LineRow({ chart: { format }, line, order, index }: RowProps) {
  const values = line.values.filter((value) => value !== null);
  const [min, max] = values.reduce(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
  const here = index === null ? null : (line.values[index] ?? null);
  const show = (value: number | null | undefined) =>
    value === null || value === undefined ? '' : formatValue(value, format);
  return (
    <tr>
      <th scope="row">
        <Swatch line={line} order={order} />
        {line.name}
      </th>
      <td class="chart-here">{show(here)}</td>
      <td>{show(values.at(-1))}</td>
      <td>{show(min)}</td>
      <td>{show(max)}</td>
    </tr>
  );
}

export function ChartView({ chart }: { readonly chart: ChartData }) {
  const [index, setIndex] = useState<number | null>(null);
  const { id, title, unit, steps, lines, isWide = false } = chart;
  const step = index === null ? undefined : steps[index];
  return (
    <figure class={`card chart ${isWide ? 'wide' : ''}`} aria-labelledby={`chart-${id}`} data-chart={id}>
      <figcaption id={`chart-${id}`}>
        <h3>{title}</h3> <span class="quiet small">{unit}</span>
      </figcaption>
      <Canvas key={currentTheme()} chart={chart} onPointer={setIndex} />
      <table class="chart-table">
        <thead class="chart-names">
          <tr>
            <th scope="col">
              <span class="visually-hidden">line, to step {steps.at(-1)}</span>
            </th>
            <th scope="col" class="chart-here">
              {step === undefined ? <span class="visually-hidden">at the pointer</span> : `step ${step}`}
            </th>
            <th scope="col">last</th>
            <th scope="col">min</th>
            <th scope="col">max</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line, order) => (
            <LineRow key={line.name} chart={chart} line={line} order={order} index={index} />
          ))}
        </tbody>
      </table>
    </figure>
  );
}

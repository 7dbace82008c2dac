// A chart and, beside it, the same in a table: the last value of each curve, its best, and that under the pointer.
import { useEffect, useRef, useState } from 'preact/hooks';
import { currentTheme } from '../shell/theme.ts';
import { type Chart, type Curve, dashes } from './curves.ts';
import type { Plot } from './plot.ts';

const loadPlot = () => import('./plot.ts');

function Canvas({ chart, seen }: { readonly chart: Chart; readonly seen: (index: number | null) => void }) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const latest = useRef(chart);
  latest.current = chart;
  const theme = currentTheme();
  useEffect(() => {
    let isWanted = true;
    const resized = new ResizeObserver(() => plot.current?.fit());
    void loadPlot().then((loaded) => {
      if (!isWanted || host.current === null) return;
      plot.current = new loaded.Plot(host.current, seen);
      plot.current.show(latest.current);
      resized.observe(host.current);
    });
    return () => {
      isWanted = false;
      resized.disconnect();
      plot.current?.close();
      plot.current = null;
    };
  }, []);
  useEffect(() => plot.current?.show(chart), [chart]);
  useEffect(() => {
    // Colours are those of the next frame: the theme is written where style sheets read it first.
    const frame = requestAnimationFrame(() => plot.current?.repaint(latest.current));
    return () => cancelAnimationFrame(frame);
  }, [theme]);
  return <div class="chart-canvas" ref={host} />;
}

/** The last value of a curve, and its step. */
function lastOf({ x }: Chart, { values }: Curve): readonly [value: number, step: number] | null {
  const at = values.findLastIndex((value) => value !== null);
  return at < 0 ? null : [values[at] as number, x[at]];
}

function rangeOf({ values }: Curve): readonly [number, number] {
  const known = values.filter((value) => value !== null);
  return known.reduce<[number, number]>(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
}

/** A curve's line as the chart has it. */
function Swatch({ curve, order }: { readonly curve: Curve; readonly order: number }) {
  return (
    <svg class="swatch" viewBox="0 0 24 8" data-colour={curve.colour} aria-hidden="true">
      {curve.isSparse ? (
        <circle cx="12" cy="4" r="3" />
      ) : (
        <path d="M0 4h24" stroke-dasharray={dashes[order % dashes.length].join(' ')} />
      )}
    </svg>
  );
}

interface RowProps {
  readonly chart: Chart;
  readonly curve: Curve;
  readonly order: number;
  readonly index: number | null;
}

function Row({ chart, curve, order, index }: RowProps) {
  const last = lastOf(chart, curve);
  const [low, high] = rangeOf(curve);
  const here = index === null ? null : (curve.values[index] ?? null);
  return (
    <tr>
      <th scope="row">
        <Swatch curve={curve} order={order} />
        {curve.name}
      </th>
      <td class="chart-here">{here === null ? '' : chart.write(here)}</td>
      <td>{last === null ? '–' : chart.write(last[0])}</td>
      <td>{chart.write(low)}</td>
      <td>{chart.write(high)}</td>
    </tr>
  );
}

export function ChartView({ chart }: { readonly chart: Chart }) {
  const [index, setIndex] = useState<number | null>(null);
  const step = index === null ? null : chart.x[index];
  const title = `chart-${chart.id}`;
  return (
    <figure class={`card chart ${chart.isWide ? 'wide' : ''}`} aria-labelledby={title} data-chart={chart.id}>
      <figcaption id={title}>
        <h3>{chart.title}</h3> <span class="quiet small">{chart.unit}</span>
      </figcaption>
      <Canvas chart={chart} seen={setIndex} />
      <table class="chart-table">
        <thead class="chart-names">
          <tr>
            <th scope="col">
              <span class="unseen">curve, to step {chart.x.at(-1)}</span>
            </th>
            <th scope="col" class="chart-here">
              {step === null || step === undefined ? <span class="unseen">at the pointer</span> : `step ${step}`}
            </th>
            <th scope="col">last</th>
            <th scope="col">least</th>
            <th scope="col">most</th>
          </tr>
        </thead>
        <tbody>
          {chart.curves.map((curve, order) => (
            <Row key={curve.name} chart={chart} curve={curve} order={order} index={index} />
          ))}
        </tbody>
      </table>
    </figure>
  );
}

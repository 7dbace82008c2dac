// A sum as a waterfall: each part begins where the one above ended; a thin line shows the band of its value.
import { type Figure, formatValue } from '../../src/planner/index.ts';
import { ChartFrame } from './chart-frame.tsx';

export interface WaterfallPart {
  readonly figure: Figure;
  readonly tone: 'published' | 'assumed' | 'sum';
}

export interface WaterfallProps {
  readonly id: string;
  readonly title: string;
  readonly parts: readonly WaterfallPart[];
}

const rowHeight = 40;

interface Bar extends WaterfallPart {
  readonly from: number;
  readonly to: number;
}

/** Returns where each bar begins and ends; a sum begins at 0. Unknown parts have no length. */
export function layBars(parts: readonly WaterfallPart[]): Bar[] {
  let end = 0;
  return parts.map((part) => {
    const value = part.figure.value?.middle ?? 0;
    const from = part.tone === 'sum' ? 0 : end;
    end = from + value;
    return { ...part, from, to: end };
  });
}

function Row({ bar, y, scale, width }: { bar: Bar; y: number; scale: (value: number) => number; width: number }) {
  const { figure, tone, from, to } = bar;
  const { value, unit, digits } = figure;
  const shown = value === null ? 'unknown' : formatValue(value.middle, unit, digits);
  return (
    <g>
      <text x="0" y={y + 13} class="plan-label">
        {figure.name}
      </text>
      <text x={width} y={y + 13} class="plan-label plan-end">
        {shown}
      </text>
      <rect
        class={`plan-bar ${tone}`}
        x={scale(from)}
        y={y + 19}
        width={Math.max(1, scale(to) - scale(from))}
        height="11"
      />
      {value !== null && value.low !== value.high && (
        <path class="plan-whisker" d={`M${scale(from + value.low)} ${y + 24.5}H${scale(from + value.high)}`} />
      )}
    </g>
  );
}

export function Waterfall({ id, title, parts }: WaterfallProps) {
  const bars = layBars(parts);
  const highest = Math.max(...bars.map(({ from, figure }) => from + (figure.value?.high ?? 0)), 1e-9);
  const label = bars.map(
    ({ figure: { name, value, unit, digits } }) =>
      `${name} ${value === null ? 'unknown' : formatValue(value.middle, unit, digits)}`,
  );
  return (
    <ChartFrame
      id={id}
      title={title}
      label={`Waterfall: ${label.join(', ')}`}
      figures={parts.map(({ figure }) => figure)}
      height={rowHeight * bars.length}
      draw={(width) =>
        bars.map((bar, i) => (
          <Row
            key={bar.figure.name}
            bar={bar}
            y={rowHeight * i}
            width={width}
            scale={(value) => (value / highest) * width}
          />
        ))
      }
    />
  );
}

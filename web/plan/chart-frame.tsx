// The frame of the page's charts: a card with a title, an SVG as wide as the card, and buttons that save it.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Figure } from '../../src/planner/index.ts';
import { saveCsv, saveSvg } from './download.ts';

export interface ChartFrameProps {
  readonly id: string;
  readonly title: string;
  /** What a screen reader says of the picture; the table beside it has the values. */
  readonly label: string;
  /** What the CSV holds. */
  readonly figures: readonly Figure[];
  readonly height: number;
  readonly draw: (width: number) => ComponentChildren;
}

export function ChartFrame({ id, title, label, figures, height, draw }: ChartFrameProps) {
  const svg = useRef<SVGSVGElement>(null);
  const [width, setWidth] = useState(640);
  useEffect(() => {
    const watched = new ResizeObserver(([entry]) => entry && setWidth(Math.max(240, entry.contentRect.width)));
    if (svg.current?.parentElement) watched.observe(svg.current.parentElement);
    return () => watched.disconnect();
  }, []);
  return (
    <figure class="card plan-chart" aria-labelledby={`${id}-title`} data-chart={id}>
      <figcaption>
        <h3 id={`${id}-title`}>{title}</h3>
        <span class="plan-buttons">
          <button type="button" class="button compact" onClick={() => svg.current && saveSvg(id, svg.current)}>
            SVG
          </button>
          <button type="button" class="button compact" onClick={() => saveCsv(id, figures)}>
            CSV
          </button>
        </span>
      </figcaption>
      <div>
        <svg ref={svg} role="img" aria-label={label} viewBox={`0 0 ${width} ${height}`} width={width} height={height}>
          {draw(width)}
        </svg>
      </div>
    </figure>
  );
}

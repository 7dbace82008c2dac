// The load of every expert as a heat map for each MoE layer: a row for each expert, a column for each step. The color
// shows the load relative to the mean, from no token over the mean to twice the mean or more.
import { useEffect, useRef } from 'preact/hooks';
import { formatShort, mean } from '../../src/math/index.ts';
import type { AnyEvent } from '../../src/runs/protocol.ts';
import { currentTheme } from '../shell/theme.ts';
import { toRgb } from './colors.ts';
import { Scroll } from './scroll.tsx';

interface StepLoad {
  readonly step: number;
  /** The tokens of a step by layer and expert. */
  readonly tokens: readonly (readonly number[])[];
}

export function readLoads(events: readonly AnyEvent[]): StepLoad[] {
  return events.flatMap(({ event, step, load }) =>
    event === 'step' && step !== undefined && Array.isArray(load) ? [{ step, tokens: load }] : [],
  );
}

/** Returns the load of each expert of a layer relative to the mean. */
function relativeLoads({ tokens }: StepLoad, layer: number): number[] {
  const loads = tokens[layer] ?? [];
  const average = mean(loads);
  return loads.map((n) => (average === 0 ? 0 : n / average));
}

type Rgb = readonly number[];
const mixColors = (a: Rgb, b: Rgb, share: number): Rgb => a.map((from, i) => from + share * (b[i] - from));

function draw(canvas: HTMLCanvasElement, loads: readonly StepLoad[], layer: number): void {
  const width = loads.length;
  const height = loads[0]?.tokens[layer]?.length ?? 0;
  const context = canvas.getContext('2d');
  if (width === 0 || height === 0 || context === null) return;
  [canvas.width, canvas.height] = [width, height];
  const image = context.createImageData(width, height);
  const [none, accent, twice] = [toRgb('--surface'), toRgb('--accent'), toRgb('--bad')];
  const atMean = mixColors(none, accent, 0.5);
  for (const [x, load] of loads.entries())
    for (const [y, share] of relativeLoads(load, layer).entries()) {
      const rgb = share <= 1 ? mixColors(none, atMean, share) : mixColors(atMean, twice, Math.min(1, share - 1));
      image.data.set([...rgb, 255], 4 * (y * width + x));
    }
  context.putImageData(image, 0, 0);
}

interface LayerMapProps {
  readonly loads: readonly StepLoad[];
  readonly last: StepLoad;
  readonly layer: number;
}

function LayerMap({ loads, last, layer }: LayerMapProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = currentTheme();
  useEffect(() => {
    const frame = requestAnimationFrame(() => canvas.current && draw(canvas.current, loads, layer));
    return () => cancelAnimationFrame(frame);
  }, [loads, layer, theme]);
  const shares = relativeLoads(last, layer);
  const range = `from ${formatShort(Math.min(...shares))} to ${formatShort(Math.max(...shares))} times the mean`;
  const summary = `${shares.length} experts, at the last step ${range}`;
  return (
    <div class="load-layer">
      <h4 class="small quiet">MoE layer {layer}</h4>
      <canvas ref={canvas} role="img" aria-label={`Load by expert and step, MoE layer ${layer}: ${summary}`} />
    </div>
  );
}

function LoadTable({ load }: { readonly load: StepLoad }) {
  const layers = load.tokens.map((_, layer) => relativeLoads(load, layer));
  return (
    <details class="small">
      <summary>Load of each expert at step {load.step}, relative to the mean</summary>
      <Scroll name="Load of each expert">
        <table class="plain-table">
          <thead>
            <tr>
              <th scope="col">layer</th>
              {layers[0]?.map((_, expert) => (
                <th scope="col" key={expert}>
                  {expert}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {layers.map((shares, layer) => (
              <tr key={layer}>
                <th scope="row">{layer}</th>
                {shares.map((share, expert) => (
                  <td key={expert}>{share.toFixed(2)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </details>
  );
}

/** Shows nothing for a model without experts, and before the first loads. */
export function LoadMap({ loads }: { readonly loads: readonly StepLoad[] }) {
  const last = loads.at(-1);
  if (last === undefined) return null;
  return (
    <figure class="card chart wide load-map" aria-labelledby="load-map-title" data-chart="load">
      <figcaption id="load-map-title">
        <h3>Load of experts</h3>{' '}
        <span class="quiet small">
          steps {loads[0]?.step} to {last.step}, a row for each expert
        </span>
      </figcaption>
      <div class="load-layers">
        {last.tokens.map((_, layer) => (
          <LayerMap key={layer} loads={loads} last={last} layer={layer} />
        ))}
      </div>
      <p class="load-key small quiet">
        <span class="load-scale" aria-hidden="true" />
        no token – the mean – twice the mean or more
      </p>
      <LoadTable load={last} />
    </figure>
  );
}

// The load of every expert as a heat map: a row an expert, a column a step, by MoE layer. A colour is a share of the
// mean: nothing, the mean, twice the mean or more.
import { useEffect, useRef } from 'preact/hooks';
import { currentTheme } from '../shell/theme.ts';
import { rgbOf } from './colours.ts';
import { short } from './format.ts';
import type { AnyEvent } from './open-run.ts';
import { Scroll } from './scroll.tsx';

interface Loads {
  readonly steps: readonly number[];
  /** Tokens by step, layer and expert. */
  readonly tokens: readonly (readonly (readonly number[])[])[];
}

export function loadsOf(events: readonly AnyEvent[]): Loads {
  const told = events.flatMap((event) =>
    event.event === 'step' && 'load' in event && event.load ? [{ step: event.step, load: event.load }] : [],
  );
  return { steps: told.map(({ step }) => step), tokens: told.map(({ load }) => load) };
}

/** Of a layer, at a step, as shares of the mean. */
function sharesOf({ tokens }: Loads, layer: number, at: number): number[] {
  const own = tokens[at]?.[layer] ?? [];
  const mean = own.reduce((sum, n) => sum + n, 0) / own.length;
  return own.map((n) => (mean === 0 ? 0 : n / mean));
}

type Rgb = readonly number[];
const between = (a: Rgb, b: Rgb, share: number): Rgb => a.map((from, i) => from + share * (b[i] - from));

function draw(canvas: HTMLCanvasElement, loads: Loads, layer: number): void {
  const width = loads.steps.length;
  const height = loads.tokens[0]?.[layer]?.length ?? 0;
  if (width === 0 || height === 0) return;
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext('2d') as CanvasRenderingContext2D;
  const image = context.createImageData(width, height);
  const [none, accent, much] = [rgbOf('--surface'), rgbOf('--accent'), rgbOf('--bad')];
  const mean = between(none, accent, 0.5);
  for (let x = 0; x < width; x++)
    for (const [y, share] of sharesOf(loads, layer, x).entries()) {
      const rgb = share <= 1 ? between(none, mean, share) : between(mean, much, Math.min(1, share - 1));
      image.data.set([...rgb, 255], 4 * (y * width + x));
    }
  context.putImageData(image, 0, 0);
}

function LayerMap({ loads, layer }: { readonly loads: Loads; readonly layer: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = currentTheme();
  useEffect(() => {
    const frame = requestAnimationFrame(() => canvas.current && draw(canvas.current, loads, layer));
    return () => cancelAnimationFrame(frame);
  }, [loads, layer, theme]);
  const last = sharesOf(loads, layer, loads.steps.length - 1);
  const [least, most] = [Math.min(...last), Math.max(...last)];
  const told = `${last.length} experts; last, the idlest at ${short(least)} and the busiest at ${short(most)} times the mean`;
  return (
    <div class="load-layer">
      <h4 class="small quiet">MoE layer {layer}</h4>
      <canvas ref={canvas} role="img" aria-label={`Load by expert and step, MoE layer ${layer}: ${told}`} />
    </div>
  );
}

function LoadTable({ loads }: { readonly loads: Loads }) {
  const at = loads.steps.length - 1;
  const layers = (loads.tokens[at] ?? []).map((_, layer) => sharesOf(loads, layer, at));
  return (
    <details class="small">
      <summary>Load of each expert at step {loads.steps[at]}, in times the mean</summary>
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

/** Nothing for a model without experts, or before the first loads were told. */
export function LoadMap({ loads }: { readonly loads: Loads }) {
  if (loads.steps.length === 0) return null;
  return (
    <figure class="card chart wide load-map" aria-labelledby="load-map-title" data-chart="load">
      <figcaption id="load-map-title">
        <h3>Load of experts</h3>{' '}
        <span class="quiet small">
          steps {loads.steps[0]} to {loads.steps.at(-1)}, a row an expert
        </span>
      </figcaption>
      <div class="load-layers">
        {loads.tokens[0]?.map((_, layer) => (
          <LayerMap key={layer} loads={loads} layer={layer} />
        ))}
      </div>
      <p class="load-key small quiet">
        <span class="load-scale" aria-hidden="true" />
        no token – the mean – twice the mean or more
      </p>
      <LoadTable loads={loads} />
    </figure>
  );
}

// Batch against latency: what a user gets across, what a device gives upward, both on logarithmic scales, with bands.
import { type Figure, formatValue, type ServingPlan } from '../../src/planner/index.ts';
import { ChartFrame } from './chart-frame.tsx';

const height = 300;
const margin = { left: 46, right: 12, top: 10, bottom: 40 };

interface Axis {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

/** A logarithmic axis over whole powers of ten and their 2 and 5. */
function axis(values: readonly number[], from: number, to: number): Axis {
  const [low, high] = [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))];
  const span = Math.max(high - low, 0.1);
  const at = (value: number) => from + ((Math.log10(value) - low) / span) * (to - from);
  const powers = Array.from({ length: 30 }, (_, i) => 10 ** (i - 10));
  const all = powers.flatMap((power) => (span < 2 ? [power, 2 * power, 5 * power] : [power]));
  return { at, ticks: all.filter((tick) => Math.log10(tick) >= low - 1e-9 && Math.log10(tick) <= high + 1e-9) };
}

const middle = ({ value }: Figure) => value?.middle ?? Number.NaN;

function Axes({ x, y, width }: { readonly x: Axis; readonly y: Axis; readonly width: number }) {
  const bottom = height - margin.bottom;
  return (
    <g>
      {x.ticks.map((tick) => (
        <g key={tick}>
          <path class="plan-grid" d={`M${x.at(tick)} ${margin.top}V${bottom}`} />
          <text class="plan-tick plan-center" x={x.at(tick)} y={bottom + 15}>
            {formatValue(tick, '', 1)}
          </text>
        </g>
      ))}
      {y.ticks.map((tick) => (
        <g key={tick}>
          <path class="plan-grid" d={`M${margin.left} ${y.at(tick)}H${width - margin.right}`} />
          <text class="plan-tick plan-end" x={margin.left - 6} y={y.at(tick) + 4}>
            {formatValue(tick, '', 1)}
          </text>
        </g>
      ))}
      <text class="plan-tick plan-center" x={(margin.left + width) / 2} y={height - 6}>
        tokens a second for a user
      </text>
    </g>
  );
}

export function SpeedChart({ plans }: { readonly plans: readonly ServingPlan[] }) {
  const ends = (pick: (plan: ServingPlan) => Figure) =>
    plans.flatMap((plan) => [pick(plan).value?.low ?? 1, pick(plan).value?.high ?? 1]);
  const draw = (width: number) => {
    const x = axis(
      ends((plan) => plan.tokensPerSecondUser),
      margin.left,
      width - margin.right,
    );
    const y = axis(
      ends((plan) => plan.decodeSpeed),
      height - margin.bottom,
      margin.top,
    );
    const point = (plan: ServingPlan, end: 'low' | 'high') =>
      `${x.at(plan.tokensPerSecondUser.value?.[end] ?? 1)} ${y.at(plan.decodeSpeed.value?.[end] ?? 1)}`;
    const back = [...plans].reverse();
    const area = [...plans.map((plan) => point(plan, 'high')), ...back.map((plan) => point(plan, 'low'))];
    const center = plans.map((plan) => `${x.at(middle(plan.tokensPerSecondUser))} ${y.at(middle(plan.decodeSpeed))}`);
    return (
      <>
        <Axes x={x} y={y} width={width} />
        <path class="plan-band" d={`M${area.join('L')}Z`} />
        <path class="plan-line" d={`M${center.join('L')}`} />
        {plans.map((plan) => (
          <circle
            key={middle(plan.batch)}
            class="plan-point"
            cx={x.at(middle(plan.tokensPerSecondUser))}
            cy={y.at(middle(plan.decodeSpeed))}
            r="4"
          >
            <title>{`batch ${middle(plan.batch)}`}</title>
          </circle>
        ))}
      </>
    );
  };
  return (
    <ChartFrame
      id="serving"
      title="Tokens a second of a device, by what a user gets"
      label="A line from small batches, fast for a user, to large ones, cheap for all; the table has its values"
      figures={plans.flatMap(({ batch, tokensPerSecondUser, decodeSpeed, outputPrice }) => [
        batch,
        tokensPerSecondUser,
        decodeSpeed,
        outputPrice,
      ])}
      height={height}
      draw={draw}
    />
  );
}

// The claim: a published figure as a waterfall with what it leaves out, and a slider for each assumption.
import {
  type AssumptionName,
  assumptionNames,
  assumptions,
  type Claim,
  type ClaimName,
  claimNames,
  dayEconomics,
  findClaim,
  formatBand,
  formatValue,
  market,
  openClaim,
} from '../../src/planner/index.ts';
import { FigureTable } from './figure-table.tsx';
import { change, planState } from './plan-state.ts';
import { Waterfall, type WaterfallPart } from './waterfall.tsx';

/** Where a slider ends; a share ends at 1. */
function sliderEnd(name: AssumptionName): number {
  const { band, unit } = assumptions[name];
  return unit === 'share' ? 1 : 1.5 * band.high;
}

function Slider({ name }: { readonly name: AssumptionName }) {
  const { name: title, unit, band, about } = assumptions[name];
  const { own } = planState.value;
  const stated = own[name];
  const least = name === 'utilization' ? 0.05 : 0;
  const shown = stated === undefined ? formatBand(band, unit, 2) : formatValue(stated, unit, 3);
  const without = Object.fromEntries(Object.entries(own).filter(([each]) => each !== name));
  return (
    <div class="plan-slider">
      <label for={`assume-${name}`}>
        {title} <span class="quiet small">{about}</span>
      </label>
      <input
        id={`assume-${name}`}
        type="range"
        min={least}
        max={sliderEnd(name)}
        step={(sliderEnd(name) - least) / 200}
        value={stated ?? band.middle}
        aria-valuetext={shown}
        onInput={({ currentTarget }) => change({ own: { ...own, [name]: Number(currentTarget.value) } })}
      />
      <output for={`assume-${name}`}>{shown}</output>
      <button
        type="button"
        class="button compact quiet"
        disabled={stated === undefined}
        onClick={() => change({ own: without })}
      >
        Band<span class="visually-hidden"> of {title} again</span>
      </button>
    </div>
  );
}

function parts({ published, leftOut, total }: Claim): WaterfallPart[] {
  return [
    ...published.slice(0, -1).map((figure) => ({ figure, tone: 'published' as const })),
    ...leftOut.map((figure) => ({ figure, tone: 'assumed' as const })),
    { figure: total, tone: 'sum' },
  ];
}

function Choices() {
  const { claim, prices } = planState.value;
  return (
    <div class="plan-choices">
      <label class="field">
        <span>Claim</span>
        <select
          class="input"
          value={claim}
          onChange={({ currentTarget }) => change({ claim: currentTarget.value as ClaimName })}
        >
          {claimNames.map((name) => (
            <option key={name} value={name}>
              {findClaim(name).title}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        <span>Prices</span>
        <select
          class="input"
          value={prices}
          onChange={({ currentTarget }) => change({ prices: currentTarget.value as 'launch' | 'today' })}
        >
          <option value="launch">as the claim assumes</option>
          <option value="today">rents of today</option>
        </select>
      </label>
    </div>
  );
}

export function ClaimSection() {
  const { claim: name, prices, own } = planState.value;
  const claim = openClaim({ name, prices, own }, market);
  const { data, price, published, hours, recomputed, total, multiple, owning, comparisons } = claim;
  const rent = published.at(-1) ?? null;
  return (
    <section class="plan-section" aria-labelledby="plan-claim">
      <h2 id="plan-claim">What {data.title} cost</h2>
      <Choices />
      <p>{data.note}</p>
      <div class="plan-columns">
        <Waterfall id="claim" title="The claim, and what it leaves out" parts={parts(claim)} />
        <div class="card">
          <FigureTable title="As published" figures={[price, hours.at(-1) ?? null, rent, recomputed]} />
          <FigureTable title="All of it" figures={[total, multiple]} />
          <FigureTable title="Owning the cluster instead of renting it" figures={owning} />
          {comparisons.length > 0 && <FigureTable title="Beside other figures" figures={comparisons} />}
          {name !== 'llama-3.1-405b' && (
            <FigureTable
              title="DeepSeek's published day of serving"
              figures={Object.values(dayEconomics(market, 'deepseek-r1', '2025-02-01'))}
            />
          )}
        </div>
      </div>
      <details class="card">
        <summary>Assumptions: what no one publishes</summary>
        {assumptionNames.map((each) => (
          <Slider key={each} name={each} />
        ))}
      </details>
    </section>
  );
}

// Your model: what it costs to train, and to serve, from a preset or from its own config.json.
import { type ModelConfig, readConfig } from '../../src/model/config.ts';
import { type PresetName, preset, presetNames } from '../../src/model/presets.ts';
import {
  apiPrice,
  breakEven,
  findHardware,
  market,
  type Parallelism,
  parameterFigures,
  planServing,
  readAmount,
  rentBand,
  searchParallelism,
  sweepBatch,
} from '../../src/planner/index.ts';
import { Notice } from '../shell/notice.tsx';
import { FigureButton } from './figure-button.tsx';
import { FigureTable } from './figure-table.tsx';
import { change, type PlanState, planState, weightFormats } from './plan-state.ts';
import { SpeedChart } from './speed-chart.tsx';

type TextField = Exclude<keyof PlanState, 'claim' | 'prices' | 'own' | 'model'>;

const configs = new Map<string, ModelConfig>();

/** Reads the chosen configuration once. Throws ModelError. */
function readModel(model: string): ModelConfig {
  const before = configs.get(model);
  if (before) return before;
  const isPreset = (presetNames as readonly string[]).includes(model);
  const config = isPreset ? preset(model as PresetName) : readConfig(parseJson(model));
  configs.set(model, config);
  return config;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('[config.json] is no JSON; choose a config.json of Hugging Face');
  }
}

/** Reads a quantity of the form. Throws a sentence naming the field. */
function amount(name: TextField): number {
  const text = planState.value[name];
  const value = readAmount(text);
  if (value !== null) return value;
  throw new Error(
    `[${name}] ${text === '' ? 'is empty' : `${text} is no number above 0`}; write it as 1T, 500M, or 4096`,
  );
}

function share(name: TextField): number {
  const text = planState.value[name];
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value <= 1) return value;
  throw new Error(`[${name}] ${text} is no share; write a number from 0 to 1`);
}

function trainingPlan() {
  const { device, model } = planState.value;
  const context = amount('context');
  return searchParallelism(
    {
      config: readModel(model),
      tokens: amount('tokens'),
      context,
      hardware: findHardware(market, device),
      devices: amount('devices'),
      parallelism: { pipeline: 1, tensor: 1, expert: 1, schedule: '1f1b' },
      recompute: 'selective',
      batch: Math.max(1, Math.round(4e6 / context)),
      microBatch: 1,
      utilization: null,
      price: rentBand(market, device),
    },
    market,
  );
}

function servingQuestion() {
  const { device, model, weights } = planState.value;
  return {
    config: readModel(model),
    hardware: findHardware(market, device),
    devices: amount('devices'),
    weights,
    cache: 'bf16' as const,
    input: amount('input'),
    output: amount('output'),
    hits: share('hits'),
    batch: null,
    acceptance: share('acceptance'),
    price: rentBand(market, device),
  };
}

/** Returns what a plan gives, or the sentence that refuses it. */
function attempt<T>(plan: () => T): T | string {
  try {
    return plan();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function Field({ name, label }: { readonly name: TextField; readonly label: string }) {
  return (
    <label class="field">
      <span>{label}</span>
      <input
        class="input"
        value={planState.value[name]}
        onInput={({ currentTarget }) => change({ [name]: currentTarget.value })}
      />
    </label>
  );
}

interface SelectProps {
  readonly name: TextField;
  readonly label: string;
  readonly options: readonly string[];
}

function Select({ name, label, options }: SelectProps) {
  return (
    <label class="field">
      <span>{label}</span>
      <select
        class="input"
        value={planState.value[name]}
        onChange={({ currentTarget }) => change({ [name]: currentTarget.value })}
      >
        {options.map((option) => (
          <option key={option}>{option}</option>
        ))}
      </select>
    </label>
  );
}

async function chooseFile({ currentTarget }: { currentTarget: HTMLInputElement }): Promise<void> {
  const file = currentTarget.files?.[0];
  if (file) change({ model: await file.text() });
}

function ModelChoice() {
  const { model } = planState.value;
  const isPreset = (presetNames as readonly string[]).includes(model);
  return (
    <div class="plan-choices">
      <label class="field">
        <span>Model</span>
        <select
          class="input"
          value={isPreset ? model : ''}
          onChange={({ currentTarget }) => change({ model: currentTarget.value })}
        >
          {!isPreset && <option value="">your config.json</option>}
          {presetNames.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <label class="field">
        <span>or a config.json, of a run's checkpoint too</span>
        <input class="input" type="file" accept=".json,application/json" onChange={chooseFile} />
      </label>
      <Select name="device" label="Device" options={market.hardware.map(({ name }) => name)} />
      <Field name="devices" label="Devices" />
    </div>
  );
}

function describeLayout({ pipeline, tensor, expert, schedule }: Parallelism): string {
  return `${pipeline} pipeline stages (${schedule}), ${tensor} tensor ranks, ${expert} expert ranks`;
}

function Training() {
  const found = attempt(trainingPlan);
  return (
    <section class="plan-section" aria-labelledby="plan-train">
      <h2 id="plan-train">Train it</h2>
      <div class="plan-choices">
        <Field name="tokens" label="Tokens" />
        <Field name="context" label="Tokens of a sequence" />
      </div>
      {typeof found === 'string' ? (
        <Notice message={found} />
      ) : (
        <div class="plan-columns">
          <div class="card">
            <FigureTable title="Cost" figures={[...Object.values(found.plan.cost), found.plan.tokensPerSecond]} />
          </div>
          <div class="card">
            <p>The layout that waits least: {describeLayout(found.parallelism)}.</p>
            <FigureTable title="Memory of the fullest device" figures={found.plan.memory} />
            <FigureTable
              title="Network and pipeline"
              figures={[...found.plan.bubbles, found.plan.allToAll, found.plan.gradientSum]}
            />
          </div>
        </div>
      )}
    </section>
  );
}

function SpeedTable({ plans }: { readonly plans: ReturnType<typeof sweepBatch> }) {
  const names = ['batch', 'for a user', 'of a device', 'a million out'];
  return (
    <table class="plan-table">
      <caption>Batch against latency</caption>
      <thead>
        <tr>
          {names.map((name) => (
            <th key={name} scope="col">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {plans.map(({ batch, tokensPerSecondUser, decodeSpeed, outputPrice }) => (
          <tr key={batch.value?.middle}>
            {[batch, tokensPerSecondUser, decodeSpeed, outputPrice].map((figure) => (
              <td key={figure.name}>
                <FigureButton figure={figure} isShort />
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function servingPlans() {
  const question = servingQuestion();
  const { api, device } = planState.value;
  const { input, hits, output, devices } = question;
  const request = { hit: input * hits, input: input * (1 - hits), output };
  return {
    plan: planServing(question),
    plans: sweepBatch(question),
    even: breakEven(market, device, devices, request, apiPrice(market, api)),
  };
}

function Serving() {
  const found = attempt(servingPlans);
  const apis = [...new Set(market.api.map(({ model }) => model))];
  return (
    <section class="plan-section" aria-labelledby="plan-serve">
      <h2 id="plan-serve">Serve it</h2>
      <div class="plan-choices">
        <Select name="weights" label="Weights" options={weightFormats} />
        <Field name="input" label="Tokens of a prompt" />
        <Field name="output" label="Tokens of an answer" />
        <Field name="hits" label="Share of the prompt in the cache" />
        <Field name="acceptance" label="Share of drafts that are right" />
        <Select name="api" label="Beside the API of" options={apis} />
      </div>
      {typeof found === 'string' ? (
        <Notice message={found} />
      ) : (
        <div class="plan-columns">
          <SpeedChart plans={found.plans} />
          <div class="card">
            <FigureTable
              title="At the largest batch that fits"
              figures={[
                ...[found.plan.weights, found.plan.weightsPerDevice, found.plan.cachePerToken, found.plan.maxBatch],
                ...[found.plan.stepTime, found.plan.expertsHit, found.plan.prefillSpeed],
                ...[found.plan.inputPrice, found.plan.outputPrice, found.even],
              ]}
            />
            <SpeedTable plans={found.plans} />
          </div>
        </div>
      )}
    </section>
  );
}

export function ModelSection() {
  const config = attempt(() => readModel(planState.value.model));
  return (
    <>
      <section class="plan-section" aria-labelledby="plan-model">
        <h2 id="plan-model">Your model beside it</h2>
        <ModelChoice />
        {typeof config === 'string' ? (
          <Notice message={config} />
        ) : (
          <div class="card">
            <FigureTable title="Size" figures={Object.values(parameterFigures(config))} />
          </div>
        )}
      </section>
      {typeof config !== 'string' && (
        <>
          <Training />
          <Serving />
        </>
      )}
    </>
  );
}

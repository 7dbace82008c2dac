// The dials of sampling. What is left empty is left to the model.
import { facts } from '../api/facts.ts';
import { choose, type Settings, settings, usual } from './settings.ts';

interface DialProps {
  readonly name: string;
  readonly field: 'temperature' | 'topP';
  readonly from: number;
  readonly to: number;
}

function Dial({ name, field, from, to }: DialProps) {
  const value = settings.value[field];
  return (
    <label class="field">
      <span>
        {name} <b>{value.toFixed(2)}</b>
      </span>
      <input
        type="range"
        min={from}
        max={to}
        step={0.05}
        value={value}
        onInput={(event) => choose({ [field]: Number(event.currentTarget.value) })}
      />
    </label>
  );
}

interface CountProps {
  readonly name: string;
  readonly field: 'maxTokens' | 'reasoningBudget' | 'seed';
  readonly least: number;
  readonly empty: string;
}

function Count({ name, field, least, empty }: CountProps) {
  const onInput = (event: { currentTarget: HTMLInputElement }) => {
    const { valueAsNumber, validity } = event.currentTarget;
    if (Number.isNaN(valueAsNumber)) choose({ [field]: null });
    else if (validity.valid) choose({ [field]: valueAsNumber });
  };
  return (
    <label class="field">
      <span>{name}</span>
      <input
        class="input"
        type="number"
        inputMode="numeric"
        min={least}
        max={0xffffffff}
        step={1}
        placeholder={empty}
        value={settings.value[field] ?? ''}
        onInput={onInput}
      />
    </label>
  );
}

function ModelChoice() {
  const models = facts.value?.models ?? [];
  if (models.length < 2) return null;
  return (
    <label class="field">
      <span>Model</span>
      <select
        class="input"
        value={settings.value.model ?? models[0]?.id ?? ''}
        onChange={(event) => choose({ model: event.currentTarget.value })}
      >
        {models.map(({ id }) => (
          <option key={id}>{id}</option>
        ))}
      </select>
    </label>
  );
}

const isUsual = (value: Settings): boolean => JSON.stringify(value) === JSON.stringify(usual);

export function SettingsPanel() {
  return (
    <fieldset class="settings" id="settings">
      <legend class="unseen">Settings</legend>
      <ModelChoice />
      <Dial name="Temperature" field="temperature" from={0} to={2} />
      <Dial name="Top-p" field="topP" from={0.05} to={1} />
      <Count name="Most tokens of an answer" field="maxTokens" least={1} empty="what there is room for" />
      <Count name="Most tokens of thinking" field="reasoningBudget" least={0} empty="no limit" />
      <Count name="Seed" field="seed" least={0} empty="a new one each time" />
      <label class="field settings-wide">
        <span>What it is told first (system message)</span>
        <textarea
          class="input"
          rows={2}
          value={settings.value.system}
          onInput={(event) => choose({ system: event.currentTarget.value })}
        />
      </label>
      <button type="button" class="button compact" disabled={isUsual(settings.value)} onClick={() => choose(usual)}>
        Usual values
      </button>
    </fieldset>
  );
}

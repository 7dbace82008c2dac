// The dials of sampling. What is left empty is left to the model.
import { serverInfo } from '../api/server-info.ts';
import { defaultSettings, type Settings, settings, updateSettings } from './settings.ts';

interface SliderFieldProps {
  readonly name: string;
  readonly field: 'temperature' | 'topP';
  readonly from: number;
  readonly to: number;
}

function SliderField({ name, field, from, to }: SliderFieldProps) {
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
        onInput={(event) => updateSettings({ [field]: Number(event.currentTarget.value) })}
      />
    </label>
  );
}

interface NumberFieldProps {
  readonly name: string;
  readonly field: 'maxTokens' | 'reasoningBudget' | 'seed';
  readonly least: number;
  readonly empty: string;
}

function NumberField({ name, field, least, empty }: NumberFieldProps) {
  const onInput = (event: { currentTarget: HTMLInputElement }) => {
    const { valueAsNumber, validity } = event.currentTarget;
    if (Number.isNaN(valueAsNumber)) updateSettings({ [field]: null });
    else if (validity.valid) updateSettings({ [field]: valueAsNumber });
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
  const models = serverInfo.value?.models ?? [];
  if (models.length < 2) return null;
  return (
    <label class="field">
      <span>Model</span>
      <select
        class="input"
        value={settings.value.model ?? models[0]?.id ?? ''}
        onChange={(event) => updateSettings({ model: event.currentTarget.value })}
      >
        {models.map(({ id }) => (
          <option key={id}>{id}</option>
        ))}
      </select>
    </label>
  );
}

const isDefault = (value: Settings): boolean => JSON.stringify(value) === JSON.stringify(defaultSettings);

export function SettingsPanel() {
  return (
    <fieldset class="settings" id="settings">
      <legend class="unseen">Settings</legend>
      <ModelChoice />
      <SliderField name="Temperature" field="temperature" from={0} to={2} />
      <SliderField name="Top-p" field="topP" from={0.05} to={1} />
      <NumberField name="Most tokens of an answer" field="maxTokens" least={1} empty="what there is room for" />
      <NumberField name="Most tokens of thinking" field="reasoningBudget" least={0} empty="no limit" />
      <NumberField name="Seed" field="seed" least={0} empty="a new one each time" />
      <label class="field settings-wide">
        <span>What it is told first (system message)</span>
        <textarea
          class="input"
          rows={2}
          value={settings.value.system}
          onInput={(event) => updateSettings({ system: event.currentTarget.value })}
        />
      </label>
      <button
        type="button"
        class="button compact"
        disabled={isDefault(settings.value)}
        onClick={() => updateSettings(defaultSettings)}
      >
        Usual values
      </button>
    </fieldset>
  );
}

// The sampling settings. Empty fields are left to the server.
import { serverInfo } from '../api/server-info.ts';
import { currentModel, defaultSettings, settings, updateSettings } from './settings.ts';

interface SliderFieldProps {
  readonly name: string;
  readonly field: 'temperature' | 'topP';
  readonly min: number;
  readonly max: number;
}

function SliderField({ name, field, ...range }: SliderFieldProps) {
  const value = settings.value[field];
  const onInput = (event: { currentTarget: HTMLInputElement }) =>
    updateSettings({ [field]: event.currentTarget.valueAsNumber });
  return (
    <label class="field">
      <span>
        {name} <b>{value.toFixed(2)}</b>
      </span>
      <input type="range" {...range} step={0.05} value={value} onInput={onInput} />
    </label>
  );
}

interface NumberFieldProps {
  readonly name: string;
  readonly field: 'maxTokens' | 'reasoningBudget' | 'seed';
  readonly min: number;
  readonly placeholder: string;
}

function NumberField({ name, field, ...more }: NumberFieldProps) {
  const value = settings.value[field] ?? '';
  const onInput = (event: { currentTarget: HTMLInputElement }) => {
    const { valueAsNumber, validity } = event.currentTarget;
    if (Number.isNaN(valueAsNumber)) updateSettings({ [field]: null });
    else if (validity.valid) updateSettings({ [field]: valueAsNumber });
  };
  return (
    <label class="field">
      <span>{name}</span>
      <input class="input" type="number" {...more} max={0xffffffff} step={1} value={value} onInput={onInput} />
    </label>
  );
}

function ModelField() {
  const models = serverInfo.value?.models ?? [];
  if (models.length < 2) return null;
  return (
    <label class="field">
      <span>Model</span>
      <select
        class="input"
        value={currentModel.value?.id}
        onChange={(event) => updateSettings({ model: event.currentTarget.value })}
      >
        {models.map(({ id }) => (
          <option key={id}>{id}</option>
        ))}
      </select>
    </label>
  );
}

export function SettingsPanel() {
  const isDefault = JSON.stringify(settings.value) === JSON.stringify(defaultSettings);
  return (
    <div class="settings-scroll">
      <fieldset class="settings" id="settings">
        <legend class="visually-hidden">Settings</legend>
        <ModelField />
        <SliderField name="Temperature" field="temperature" min={0} max={2} />
        <SliderField name="Top-p" field="topP" min={0.05} max={1} />
        <NumberField name="Max tokens" field="maxTokens" min={1} placeholder="up to the context" />
        <NumberField name="Max thinking tokens" field="reasoningBudget" min={0} placeholder="unlimited" />
        <NumberField name="Seed" field="seed" min={0} placeholder="random" />
        <label class="field settings-wide">
          <span>System prompt</span>
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
          disabled={isDefault}
          onClick={() => updateSettings(defaultSettings)}
        >
          Reset to defaults
        </button>
      </fieldset>
    </div>
  );
}

// Light or dark: as the system says, or as was chosen here.
import { signal } from '@preact/signals';

export type Theme = 'light' | 'dark';

const storageKey = 'minke.theme';
const system = matchMedia('(prefers-color-scheme: dark)');

/** What was chosen; null: the system's. */
const chosen = signal<Theme | null>(readChosen());
const systemTheme = signal<Theme>(system.matches ? 'dark' : 'light');
system.addEventListener('change', ({ matches }) => {
  systemTheme.value = matches ? 'dark' : 'light';
});

function readChosen(): Theme | null {
  const value = localStorage.getItem(storageKey);
  return value === 'light' || value === 'dark' ? value : null;
}

/** The theme that is seen now. */
export function currentTheme(): Theme {
  return chosen.value ?? systemTheme.value;
}

/** Writes the choice where the style sheets read it. */
export function applyTheme(): void {
  if (chosen.value === null) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen.value;
}

/** The other one. A choice that is what the system says is none, so that the page follows it again. */
export function switchTheme(): void {
  const next: Theme = currentTheme() === 'dark' ? 'light' : 'dark';
  chosen.value = next === systemTheme.value ? null : next;
  if (chosen.value === null) localStorage.removeItem(storageKey);
  else localStorage.setItem(storageKey, chosen.value);
  applyTheme();
}

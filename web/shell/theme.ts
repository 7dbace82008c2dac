// The light or dark theme: the choice made here or, without one, that of the system.
import { signal } from '@preact/signals';

export type Theme = 'light' | 'dark';

const storageKey = 'minke.theme';
const system = matchMedia('(prefers-color-scheme: dark)');

/** null: follow the system. */
const chosen = signal<Theme | null>(readChosen());
const systemTheme = signal<Theme>(system.matches ? 'dark' : 'light');
system.addEventListener('change', ({ matches }) => {
  systemTheme.value = matches ? 'dark' : 'light';
});

function readChosen(): Theme | null {
  const value = localStorage.getItem(storageKey);
  return value === 'light' || value === 'dark' ? value : null;
}

/** Returns the theme in use. */
export function currentTheme(): Theme {
  return chosen.value ?? systemTheme.value;
}

/** Sets the attribute that the style sheets read. */
export function applyTheme(): void {
  if (chosen.value === null) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen.value;
}

/** Switches to the other theme. If that is the system's theme, the page follows the system again. */
export function switchTheme(): void {
  const next: Theme = currentTheme() === 'dark' ? 'light' : 'dark';
  chosen.value = next === systemTheme.value ? null : next;
  if (chosen.value === null) localStorage.removeItem(storageKey);
  else localStorage.setItem(storageKey, chosen.value);
  applyTheme();
}

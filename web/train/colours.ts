// Colours of tokens.css as a canvas takes them: the pair of light and dark resolved for what is seen now.
import type { Curve } from './curves.ts';

export type Token = Curve['colour'] | '--line' | '--ink' | '--surface' | '--raised';

export function colourOf(token: Token): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${token})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Red, green, blue, each to 255. */
export function rgbOf(token: Token): readonly [number, number, number] {
  const [r = 0, g = 0, b = 0] = (colourOf(token).match(/[\d.]+/g) ?? []).map(Number);
  return [r, g, b];
}

/** The same, as see-through as `opacity` says. */
export function faint(token: Token, opacity: number): string {
  return `rgb(${rgbOf(token).join(' ')} / ${opacity})`;
}

// Small line drawings for buttons, on a grid of 20. They say nothing to a screen reader: the button does.
const paths = {
  plus: 'M10 4v12M4 10h12',
  pencil: 'M4 16l.8-3.2L13.5 4.1a1.4 1.4 0 0 1 2 0l.4.4a1.4 1.4 0 0 1 0 2L7.2 15.2 4 16Z',
  bin: 'M4 6h12M8 6V4h4v2M5.5 6l.7 10h7.6l.7-10',
  copy: 'M7.5 7.5h8v8h-8zM12.5 7.5v-3h-8v8h3',
  again: 'M15.5 6.5A6.5 6.5 0 1 0 16.5 11M15.8 3v3.7h-3.7',
  up: 'M10 16V4.5M5 9.5l5-5 5 5',
  down: 'M10 4v11.5M5 10.5l5 5 5-5',
  left: 'M12 5l-5 5 5 5',
  right: 'M8 5l5 5-5 5',
  stop: 'M6 6h8v8H6z',
  dials: 'M4 6h7M15 6h1M4 14h1M9 14h7M13 4v4M7 12v4',
  list: 'M4 5.5h12M4 10h12M4 14.5h8',
  close: 'M5 5l10 10M15 5 5 15',
  check: 'M4.5 10.5l3.5 3.5 7.5-8',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg viewBox="0 0 20 20" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}

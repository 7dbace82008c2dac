// Small line drawings for buttons, on a grid of 20. They say nothing to a screen reader: the button does.
const paths = {
  plus: 'M10 4v12M4 10h12',
  pencil: 'M4 16l.8-3.2L13.500 4.100a1.400 1.400 0 0 1 2 0l.4.4a1.400 1.400 0 0 1 0 2L7.200 15.200 4 16Z',
  bin: 'M4 6h12M8 6V4h4v2M5.500 6l.7 10h7.600l.7-10',
  copy: 'M7.500 7.500h8v8h-8zM12.500 7.500v-3h-8v8h3',
  again: 'M15.500 6.500A6.500 6.500 0 1 0 16.500 11M15.800 3v3.700h-3.700',
  up: 'M10 16V4.500M5 9.500l5-5 5 5',
  down: 'M10 4v11.500M5 10.500l5 5 5-5',
  left: 'M12 5l-5 5 5 5',
  right: 'M8 5l5 5-5 5',
  stop: 'M6 6h8v8H6z',
  dials: 'M4 6h7M15 6h1M4 14h1M9 14h7M13 4v4M7 12v4',
  list: 'M4 5.500h12M4 10h12M4 14.500h8',
  close: 'M5 5l10 10M15 5 5 15',
  check: 'M4.500 10.500l3.500 3.500 7.500-8',
  dice: 'M4.500 4.500h11v11h-11zM7.500 7.500h.01M12.500 12.500h.01M12.500 7.500h.01M7.500 12.500h.01',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg viewBox="0 0 20 20" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}

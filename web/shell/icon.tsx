// Line icons on a grid of 20 x 20, and the button that shows one. Screen readers read the label of the button only.
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
  sun:
    'M10 6.2a3.8 3.8 0 1 0 0 7.6 3.8 3.8 0 0 0 0-7.6ZM10 1.5v2M10 16.5v2M1.5 10h2M16.5 10h2M4 4l1.4 1.4' +
    'M14.6 14.6 16 16M4 16l1.4-1.4M14.6 5.4 16 4',
  moon: 'M16.8 12.2A7.2 7.2 0 0 1 7.8 3.2a7.2 7.2 0 1 0 9 9Z',
} as const;

type IconName = keyof typeof paths;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg viewBox="0 0 20 20" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}

export interface IconButtonProps {
  readonly icon: IconName;
  /** What the button does. */
  readonly label: string;
  readonly onClick: () => void;
  /** Classes of controls.css. @default 'compact quiet' */
  readonly look?: string;
  readonly disabled?: boolean;
}

export function IconButton({ icon, label, look = 'compact quiet', ...more }: IconButtonProps) {
  return (
    <button {...more} type="button" class={`button icon ${look}`} aria-label={label} title={label}>
      <Icon name={icon} />
    </button>
  );
}

// The logo: a minke whale at the surface, with the white band on its flipper that identifies the species. Drawn for
// this page; whale.svg is the same picture for the browser's tab.
const body =
  'M3 38.5C3 29.5 13 22 26.5 22c3.5 0 6.7.5 9.6 1.4 1.5-1.9 3.3-3 5.6-3.2.5 0 .8.5.5.9-1 1.5-1.3 3-1 4.6 4 2.1 ' +
  '7.2 5 9.8 8.3 2.6-1.6 3.7-5 3-9.6 0-.9.9-1.4 1.6-.9 3.7 2.4 6 5.5 6 9.3 0 2.6-1 4.7-2.7 6.2.9 2.5.9 5.3-.5 ' +
  '7.8-.4.7-1.3.8-1.9.3-2.6-1.9-4.7-3.6-6-5.9C45.5 47.5 37.5 51 27.5 51 12.5 51 3 46.5 3 38.5Z';
const belly = 'M5.2 43.2c4.8 2.3 10.3 2.8 16.6 2.3 4.7-.4 8 1.4 10.2 5.3-1.5.15-3 .2-4.5.2C16.5 51 8.5 48.5 5.2 43.2Z';
const flipper = 'M25 43.5c4-1.2 8.3-.7 12.5 1.3-1.8 5-5.3 8.7-10 10.9-.8.4-1.5-.3-1.3-1.1.9-3.9.7-7.5-1.2-11.1Z';
const band = 'M26.4 48.3c3 .2 6 1 8.7 2.2-.8 1-1.7 1.9-2.7 2.7-1.9-.9-3.9-1.5-6-1.8.1-1 .1-2.1 0-3.1Z';
const spout = 'M22 16.5c.2-4.5-2-6.8-6.2-6.8M22 16.5c0-5 2.3-7.6 7.2-7.6';

export function Whale() {
  return (
    <svg class="whale" viewBox="0 0 64 64" aria-hidden="true">
      <path class="whale-body" d={body} />
      <path class="whale-belly" d={belly} />
      <path class="whale-flipper" d={flipper} />
      <path class="whale-band" d={band} />
      <circle class="whale-band" cx="14.5" cy="36.5" r="1.8" />
      <path class="whale-spout" d={spout} />
    </svg>
  );
}

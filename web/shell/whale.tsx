// The mark: a minke whale that comes up to breathe. Drawn for this page; whale.svg is the same for the browser's tab.
export function Whale() {
  return (
    <svg class="whale" viewBox="0 0 64 64" aria-hidden="true">
      <path
        class="whale-body"
        d="M4 37c0-9 10-16 23-16 12 0 19 6 24 12 3-2 4-6 3-11 4 2 7 5 7 9 0 3-1 5-3 7 1 3 1 6-1 9-3-1-6-3-7-6-5 6-13 9-23 9C13 50 4 45 4 37Z"
      />
      <path class="whale-belly" d="M6 41c4 3 10 4 17 4 4 0 7 2 9 5-2 .4-3.5.5-5 .5C15.500 50.500 8 46.500 6 41Z" />
      <circle class="whale-eye" cx="16" cy="36" r="1.9" />
      <path class="whale-spout" d="M27 15c0-4-2-6-6-6M27 15c0-5 2-8 7-8" />
    </svg>
  );
}

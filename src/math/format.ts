// Numbers as people read them, in the console, in reports and in the app.

/** Formats a share as a percentage: 0.125 is "12.5 %" with one digit. */
export function formatPercent(share: number, digits = 0): string {
  return `${(100 * share).toFixed(digits)} %`;
}

/** Formats a count in millions: 1170000 is "1.17 M". */
export function formatMillions(count: number): string {
  return `${(count / 1e6).toFixed(2)} M`;
}

/** Formats a number with three or four significant digits, with k and M for large ones: "12.3 k". */
export function formatShort(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))} M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(3))} k`;
  if (size !== 0 && size < 1e-3) return value.toExponential(1);
  return String(Number(value.toPrecision(size < 1 ? 3 : 4)));
}

/** Formats a time in the largest unit that it fills: "45 s", "12 min", "3.5 h". */
export function formatDuration(seconds: number): string {
  if (seconds < 90) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 5400) return `${(seconds / 60).toFixed(seconds < 600 ? 1 : 0)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** Formats a number of bytes in the units of memory: "512.0 MiB", "1.5 GiB". */
export function formatBytes(bytes: number): string {
  return bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** Formats a number of bytes in the units of disks and downloads: "3.6 GB", "12.3 MB", "4 kB". */
export function formatSize(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return bytes >= 1e5 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.ceil(bytes / 1e3)} kB`;
}

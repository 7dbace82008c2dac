// Formats times, counts and shares for people.
export function seconds(ms: number): string {
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  const value = ms / 1000;
  if (value < 60) return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} s`;
  return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}

export function tokens(count: number): string {
  return `${count.toLocaleString('en')} ${count === 1 ? 'token' : 'tokens'}`;
}

// Whole numbers in English words, as people write them: 347 is three hundred forty-seven.

const small = [
  ...['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven', 'twelve'],
  ...['thirteen', 'fourteen', 'fifteen', 'sixteen', 'seventeen', 'eighteen', 'nineteen'],
];
const tens = ['', '', 'twenty', 'thirty', 'forty', 'fifty', 'sixty', 'seventy', 'eighty', 'ninety'];

/** Returns the words of a whole number between -1,000,000 and 1,000,000, both excluded. */
export function toWords(number: number): string {
  if (number < 0) return `minus ${toWords(-number)}`;
  if (number < 20) return small[number];
  if (number < 100) return `${tens[Math.floor(number / 10)]}${number % 10 === 0 ? '' : `-${small[number % 10]}`}`;
  const [size, name] = number < 1000 ? [100, 'hundred'] : [1000, 'thousand'];
  const rest = number % size;
  return `${toWords(Math.floor(number / size))} ${name}${rest === 0 ? '' : ` ${toWords(rest)}`}`;
}

/** The words of which numbers are written. */
export const numberWords: ReadonlySet<string> = new Set([...small, ...tens.slice(2), 'hundred', 'thousand']);

// The language of numbers on charts. uPlot takes the browser's as it is loaded, and fails where that is no language
// tag, such as the "en-US@posix" of Chromium under LANG=C. Import this file before uPlot.

function isLanguageTag(language: string): boolean {
  try {
    return new Intl.Locale(language).language !== '';
  } catch {
    return false;
  }
}

if (!isLanguageTag(navigator.language)) Object.defineProperty(navigator, 'language', { value: 'en-US' });

// Text inside XML and HTML.

/** Returns a text as it stands between tags. */
export const escapeXml = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

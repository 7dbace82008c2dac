// Formats of strings that can be enforced, as patterns. Sources: RFC 3339, 4122, 3986, 5321 (their usual part), 1123.
const day = '(?:0[1-9]|[12]\\d)';
const date = `\\d{4}-(?:(?:0[13578]|1[02])-(?:${day}|3[01])|(?:0[469]|11)-(?:${day}|30)|02-(?:0[1-9]|1\\d|2[0-8]))`;
const time = '(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)';
const label = '[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?';
const host = `${label}(?:\\.${label}){0,4}`;
const byte = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const path = '(?:/[A-Za-z0-9._~-]{0,64}){0,16}';

/** February 29th is left out: a pattern does not know leap years. */
export const formats: Readonly<Record<string, string>> = {
  date,
  time,
  'date-time': `${date}T${time}`,
  duration: 'P(?:\\d{1,4}W|\\d{1,4}D(?:T\\d{1,4}H)?|T\\d{1,4}[HMS])',
  email: `[A-Za-z0-9_-]{1,32}(?:\\.[A-Za-z0-9_-]{1,32}){0,2}@${label}(?:\\.${label}){1,3}`,
  hostname: host,
  ipv4: `${byte}\\.${byte}\\.${byte}\\.${byte}`,
  ipv6: '(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}',
  uuid: '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}',
  uri: `https?://${host}(?::[1-9]\\d{0,3})?${path}(?:\\?[A-Za-z0-9._~=&-]{1,128})?`,
  url: `https?://${host}(?::[1-9]\\d{0,3})?${path}(?:\\?[A-Za-z0-9._~=&-]{1,128})?`,
  'uri-reference': `(?:https?://${host})?/?[A-Za-z0-9._~-]{0,64}${path}`,
  'json-pointer': '(?:/[A-Za-z0-9_-]{0,64}){0,16}',
};

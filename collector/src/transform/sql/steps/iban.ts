// The form of an IBAN (ISO 13616): two letters, two digits, and as many letters and digits as the country
// has. Without the countries' lengths a word behind one would be read as its end, and its check sum would
// not fit.

/** Characters of a whole IBAN, and whose have so many: the registry of SWIFT, release 99. */
const LENGTHS: Readonly<Record<number, string>> = {
  15: 'NO',
  16: 'BE',
  18: 'DK FO FI FK GL NL SD',
  19: 'MK SI',
  20: 'AT BA EE KZ LT LU MN XK',
  21: 'CH HR LI LV',
  22: 'BG BH CR DE GB GE IE ME RS VA',
  23: 'AE GI IL IQ OM SO TL',
  24: 'AD CZ ES MD PK RO SA SE SK TN VG',
  25: 'LY PT ST',
  26: 'IS TR',
  27: 'BI DJ FR GR IT MC MR SM',
  28: 'AL AZ BY CY DO GT HN HU LB PL SV',
  29: 'BR EG PS QA UA',
  30: 'JO KW MU YE',
  31: 'MT SC',
  32: 'LC NI',
  33: 'RU',
};
/** Of a country that came later. */
const OTHER = '[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?';

const known = Object.entries(LENGTHS).map(
  ([length, countries]) =>
    String.raw`(?:${countries.replaceAll(' ', '|')})[0-9]{2}(?: ?[A-Z0-9]){${Number(length) - 4}}\b`,
);

const anywhere = (form: string) => String.raw`(?i:\b(?:${form})\b)`;

/** Words that begin as one does, in an IBAN: each has four of its 34 characters. */
const BEGINNINGS_MAX = 8;

/**
 * With spaces or without, in any case. Apart, because the second takes words in front of an IBAN for its
 * beginning, and would leave of it what is none. So may the first, where a word is like one of another
 * country: what is found and is none is looked through again, behind its beginning.
 */
export const IBANS = [
  { form: anywhere(known.join('|')), passes: 1 + BEGINNINGS_MAX },
  { form: anywhere(OTHER), passes: 1 },
] as const;

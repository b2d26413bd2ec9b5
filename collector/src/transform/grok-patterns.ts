// The usual grok patterns by their usual names, those of Logstash (github.com/logstash-plugins/
// logstash-patterns-core, Apache-2.0), so that what was written for it means the same here. Written anew for
// RE2, which looks neither ahead nor behind and never runs away: where a number or an address ends is left to
// what follows it in the pattern.

const NUMBERS = {
  INT: '[+-]?[0-9]+',
  POSINT: '[1-9][0-9]*',
  NONNEGINT: '[0-9]+',
  BASE10NUM: String.raw`[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)`,
  NUMBER: '%{BASE10NUM}',
  BASE16NUM: '[+-]?(?:0[xX])?[0-9A-Fa-f]+',
  BASE16FLOAT: String.raw`[+-]?(?:0[xX])?(?:[0-9A-Fa-f]+(?:\.[0-9A-Fa-f]*)?|\.[0-9A-Fa-f]+)`,
};

const WORDS = {
  WORD: String.raw`\b\w+\b`,
  NOTSPACE: String.raw`\S+`,
  SPACE: String.raw`\s*`,
  DATA: '.*?',
  GREEDYDATA: '.*',
  QUOTEDSTRING: ['"', "'", '`'].map((q) => `${q}(?:[^${q}\\\\]|\\\\.)*${q}`).join('|'),
  QS: '%{QUOTEDSTRING}',
  UUID: '[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}',
  USERNAME: '[a-zA-Z0-9._-]+',
  USER: '%{USERNAME}',
  EMAILLOCALPART: "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+(?:\\.[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+)*",
  EMAILADDRESS: '%{EMAILLOCALPART}@%{HOSTNAME}',
};

const H16 = '[0-9A-Fa-f]{1,4}';
/** RFC 4291, 2.2: whole, or with one `::`; the last 32 bits may be written as IPv4. */
const IPV6 = [
  `(?:${H16}:){6}(?:${H16}:${H16}|%{IPV4})`,
  `(?:${H16}(?::${H16}){0,6})?::(?:(?:${H16}:){0,5}%{IPV4}|${H16}(?::${H16}){0,6})?`,
].join('|');

const ADDRESSES = {
  CISCOMAC: '(?:[A-Fa-f0-9]{4}[.]){2}[A-Fa-f0-9]{4}',
  WINDOWSMAC: '(?:[A-Fa-f0-9]{2}-){5}[A-Fa-f0-9]{2}',
  COMMONMAC: '(?:[A-Fa-f0-9]{2}:){5}[A-Fa-f0-9]{2}',
  MAC: '%{CISCOMAC}|%{WINDOWSMAC}|%{COMMONMAC}',
  IPV6: `(?:${IPV6})(?:%[0-9A-Za-z._~-]+)?`,
  IPV4: String.raw`(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])`,
  IP: '%{IPV6}|%{IPV4}',
  HOSTNAME: String.raw`\b[0-9A-Za-z][0-9A-Za-z-]{0,62}(?:\.[0-9A-Za-z][0-9A-Za-z-]{0,62})*\.?`,
  IPORHOST: '%{IP}|%{HOSTNAME}',
  HOSTPORT: '%{IPORHOST}:%{POSINT}',
};

const PATHS = {
  UNIXPATH: String.raw`(?:/[\w_%!$@:.,+~-]*)+`,
  WINPATH: String.raw`(?:[A-Za-z]+:|\\)(?:\\[^\\?*]*)+`,
  PATH: '%{UNIXPATH}|%{WINPATH}',
  TTY: String.raw`/dev/(?:pts|tty[pq]?)\w*/?(?:[0-9]+)?`,
  URIPROTO: '[A-Za-z][A-Za-z0-9+.-]*',
  URIHOST: '%{IPORHOST}(?::%{POSINT})?',
  URIPATH: "(?:/[A-Za-z0-9$.+!*'(){},~:;=@#%&_-]*)+",
  URIQUERY: "[A-Za-z0-9$.+!*'|(){},~@#%&/=:;_?<>\\[\\]-]*",
  URIPARAM: String.raw`\?%{URIQUERY}`,
  URIPATHPARAM: '%{URIPATH}(?:%{URIPARAM})?',
  URI: '%{URIPROTO}://(?:%{USER}(?::[^@]*)?@)?(?:%{URIHOST})?(?:%{URIPATHPARAM})?',
};

const MONTHS =
  'Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|' +
  'Sep(?:tember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?';
const DAYS = 'Mon(?:day)?|Tue(?:sday)?|Wed(?:nesday)?|Thu(?:rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?';

const TIMES = {
  MONTH: String.raw`\b(?:${MONTHS})\b`,
  MONTHNUM: '0?[1-9]|1[0-2]',
  MONTHNUM2: '0[1-9]|1[0-2]',
  MONTHDAY: '0[1-9]|[12][0-9]|3[01]|[1-9]',
  DAY: String.raw`\b(?:${DAYS})\b`,
  YEAR: '[0-9]{4}|[0-9]{2}',
  HOUR: '2[0123]|[01]?[0-9]',
  MINUTE: '[0-5][0-9]',
  SECOND: '(?:[0-5]?[0-9]|60)(?:[:.,][0-9]+)?',
  TIME: '%{HOUR}:%{MINUTE}(?::%{SECOND})?',
  DATE_US: '%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}',
  DATE_EU: '%{MONTHDAY}[./-]%{MONTHNUM}[./-]%{YEAR}',
  DATE: '%{DATE_US}|%{DATE_EU}',
  ISO8601_TIMEZONE: 'Z|[+-]%{HOUR}(?::?%{MINUTE})',
  ISO8601_SECOND: '%{SECOND}',
  TIMESTAMP_ISO8601:
    '%{YEAR}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?(?:%{ISO8601_TIMEZONE})?',
  DATESTAMP: '%{DATE}[- ]%{TIME}',
  TZ: '[A-Z]{3,4}',
  DATESTAMP_RFC822: '%{DAY} %{MONTH} %{MONTHDAY} %{YEAR} %{TIME} %{TZ}',
  DATESTAMP_RFC2822: '%{DAY}, %{MONTHDAY} %{MONTH} %{YEAR} %{TIME} %{ISO8601_TIMEZONE}',
  DATESTAMP_OTHER: '%{DAY} %{MONTH} %{MONTHDAY} %{TIME} %{TZ} %{YEAR}',
  DATESTAMP_EVENTLOG: '[0-9]{4}%{MONTHNUM2}(?:0[1-9]|[12][0-9]|3[01])%{HOUR}%{MINUTE}%{SECOND}',
  HTTPDATE: '%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{INT}',
};

const LOGS = {
  SYSLOGTIMESTAMP: '%{MONTH} +%{MONTHDAY} %{TIME}',
  PROG: String.raw`[\x21-\x5a\x5c\x5e-\x7e]+`,
  SYSLOGPROG: String.raw`%{PROG:program}(?:\[%{POSINT:pid}\])?`,
  SYSLOGHOST: '%{IPORHOST}',
  SYSLOGFACILITY: '<%{NONNEGINT:facility}.%{NONNEGINT:priority}>',
  SYSLOGBASE: '%{SYSLOGTIMESTAMP:timestamp} (?:%{SYSLOGFACILITY} )?%{SYSLOGHOST:logsource} %{SYSLOGPROG}:',
  SYSLOGLINE: '%{SYSLOGBASE} %{GREEDYDATA:message}',
  SYSLOG5424PRINTASCII: '[!-~]+',
  SYSLOG5424PRI: '<%{NONNEGINT:syslog5424_pri}>',
  // A bracket inside a quoted value ends nothing.
  SYSLOG5424SD: String.raw`(?:\[(?:[^\]"]|"(?:[^"\\]|\\.)*")*\])+`,
  SYSLOG5424BASE:
    '%{SYSLOG5424PRI}%{NONNEGINT:syslog5424_ver} +(?:-|%{TIMESTAMP_ISO8601:syslog5424_ts}) +' +
    '(?:-|%{IPORHOST:syslog5424_host}) +(?:-|%{SYSLOG5424PRINTASCII:syslog5424_app}) +' +
    '(?:-|%{SYSLOG5424PRINTASCII:syslog5424_proc}) +(?:-|%{SYSLOG5424PRINTASCII:syslog5424_msgid}) +' +
    '(?:-|%{SYSLOG5424SD:syslog5424_sd})',
  // RFC 5424 lets a line end without a message.
  SYSLOG5424LINE: '%{SYSLOG5424BASE}(?: +%{GREEDYDATA:syslog5424_msg})?',
  LOGLEVEL:
    '(?i:alert|trace|debug|notice|info(?:rmation)?|warn(?:ing)?|err(?:or)?|crit(?:ical)?|fatal|severe|' +
    'emerg(?:ency)?)',
  HTTPDUSER: '%{EMAILADDRESS}|%{USER}',
  HTTPD_COMMONLOG:
    String.raw`%{IPORHOST:clientip} %{HTTPDUSER:ident} %{HTTPDUSER:auth} \[%{HTTPDATE:timestamp}\] ` +
    '"(?:%{WORD:verb} %{NOTSPACE:request}(?: HTTP/%{NUMBER:httpversion})?|%{DATA:rawrequest})" ' +
    '(?:-|%{NUMBER:response}) (?:-|%{NUMBER:bytes})',
  HTTPD_COMBINEDLOG: '%{HTTPD_COMMONLOG} %{QS:referrer} %{QS:agent}',
  COMMONAPACHELOG: '%{HTTPD_COMMONLOG}',
  COMBINEDAPACHELOG: '%{HTTPD_COMBINEDLOG}',
  JAVACLASS: String.raw`(?:[a-zA-Z$_][a-zA-Z$_0-9]*\.)*[a-zA-Z$_][a-zA-Z$_0-9]*`,
  JAVAFILE: '[a-zA-Z$_0-9. -]+',
  JAVAMETHOD: '<init>|<clinit>|[a-zA-Z$_][a-zA-Z$_0-9]*',
};

/** Name → pattern, which may name others. */
export const GROK_PATTERNS: Readonly<Record<string, string>> = {
  ...NUMBERS,
  ...WORDS,
  ...ADDRESSES,
  ...PATHS,
  ...TIMES,
  ...LOGS,
};

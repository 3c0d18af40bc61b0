/** Values that readers get wrong, and what may be done to a JSON document that was valid before. */
import type { Random } from './random.ts'

export type Json = unknown

/** A number that JSON.stringify would not write, carried through it as a string: see `writeJson`. */
export const raw = (digits: string): string => `\u0001raw ${digits}\u0001`

/** JSON text, with the numbers of `raw` as they are. */
export const writeJson = (value: Json): string =>
  (JSON.stringify(value) ?? 'null').replace(/"\\u0001raw (.*?)\\u0001"/g, '$1')

const NUMBERS = [
  '0',
  '-0',
  '-1',
  '1.5',
  '1e3',
  '1E+2',
  '1e308',
  '1e400',
  '-1e400',
  '5e-324',
  '9007199254740993',
  '18446744073709551616',
  '2147483648',
  '4294967296',
  '1e-400',
  `1${'0'.repeat(400)}`,
].map(raw)

const WRONG_NUMBERS = ['01', '+1', '.5', '1.', 'NaN', 'Infinity', '0x10', '1_000', '-', '1e'].map(raw)

const UINT256 = 2n ** 256n

/** Texts where a plain decimal is wanted. */
export const DECIMALS: readonly string[] = [
  '',
  '0',
  '-1',
  '-0',
  '+1',
  ' 1',
  '1 ',
  '1\n',
  '01',
  '1.0',
  '1.',
  '.1',
  '1e3',
  '0x10',
  '0b1',
  '1_000',
  '1,000',
  '1n',
  '１２',
  '٣',
  '²',
  'NaN',
  'Infinity',
  'null',
  (2n ** 53n).toString(),
  (2n ** 63n).toString(),
  (2n ** 64n).toString(),
  (2n ** 128n - 1n).toString(),
  (2n ** 128n).toString(),
  (UINT256 - 1n).toString(),
  UINT256.toString(),
  '9'.repeat(78),
  '9'.repeat(79),
  '9'.repeat(5000),
]

/** Texts where an address, a hash or a signature is wanted. */
export const HEXES: readonly string[] = [
  '0x',
  '0x0',
  `0x${'0'.repeat(40)}`,
  `0x${'0'.repeat(39)}1`,
  `0x${'f'.repeat(40)}`,
  `0X${'1'.repeat(40)}`,
  '1'.repeat(40),
  `0x${'1'.repeat(39)}`,
  `0x${'1'.repeat(41)}`,
  `0x${'g'.repeat(40)}`,
  `0x${'1'.repeat(40)} `,
  ` 0x${'1'.repeat(40)}`,
  `0x${'1'.repeat(40)}\n`,
  `0x${'а'.repeat(40)}`,
  `0x${'0'.repeat(64)}`,
  `0x${'f'.repeat(64)}`,
  `0x${'f'.repeat(128)}1b`,
  `0x${'0'.repeat(130)}`,
  `0x${'1'.repeat(128)}1b`,
  `0x${'1'.repeat(128)}1d`,
  `0x${'ab'.repeat(64)}`,
  `0x${'ab'.repeat(2048)}`,
  `0x${'ab'.repeat(2049)}`,
  `0x${'1'.repeat(128)}1b${'6492'.repeat(16)}`,
  '0x000000000022D473030F116dDEE9F6B43aC78BA3',
]

/** Texts for anywhere. */
export const TEXTS: readonly string[] = [
  '',
  ' ',
  '\u0000',
  '\ud800',
  '\udfff\ud800',
  '\ufeff',
  '\u202e',
  '\u2028',
  '🙂'.repeat(50),
  'e\u0301',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '{problem}',
  '$&$1$$',
  '%00%s%n',
  '../../../etc/passwd',
  '<script>',
  "' or 1=1 --",
  'a\r\nx-injected: 1',
  'еip155:84532',
  'eip155:84532 ',
  'EIP155:84532',
  'eip155:1',
  'eip155:084532',
  'eip155:',
  'solana:mainnet',
  'base-sepolia',
  'exact',
  'upto',
  'batch-settlement',
  'auth-capture',
  'a'.repeat(300),
  'a'.repeat(9000),
]

const SHAPES: readonly Json[] = [null, true, false, [], {}, [[]], [null], { '': '' }, [1, 2, 3]]

/** Any of them; mostly of the kind that `old` was. */
export const nastyFor = (random: Random, old: Json): Json => {
  if (random.chance(0.12)) return random.pick(SHAPES)
  if (random.chance(0.06)) return deep(random.pick([3, 62, 63, 64, 65, 200, 3000]))
  if (random.chance(0.1)) return random.pick([...NUMBERS, ...WRONG_NUMBERS])
  if (typeof old === 'number') return random.pick(NUMBERS)
  if (typeof old === 'boolean') return random.pick<Json>(['true', 0, 1, null, 'yes'])
  if (typeof old !== 'string') return random.pick<Json>([random.pick(TEXTS), ...SHAPES])
  if (random.chance(0.2)) return bent(random, old)
  if (/^\d+$/.test(old)) return random.chance(0.8) ? random.pick(DECIMALS) : near(random, old)
  if (/^0x/i.test(old)) return random.chance(0.6) ? random.pick(HEXES) : bentHex(random, old)
  return random.pick(TEXTS)
}

/** Arrays in arrays. */
export const deep = (levels: number): Json => {
  let value: Json = 1
  for (let i = 0; i < levels; i++) value = [value]
  return value
}

// One more, one less, twice as much.
const near = (random: Random, digits: string): string => {
  const value = BigInt(digits)
  return random.pick([value + 1n, value > 0n ? value - 1n : 1n, value * 2n, value * 10n ** 18n]).toString()
}

const bentHex = (random: Random, text: string): string => {
  const at = 2 + random.int(Math.max(1, text.length - 2))
  const digit = random.pick([...'0123456789abcdefABCDEFxg'])
  return random.pick([
    text.toUpperCase(),
    text.replace('0x', '0X'),
    text.slice(0, at) + digit + text.slice(at + 1),
    text.slice(0, at),
    `${text}00`,
    text.slice(2),
  ])
}

/** A text with one thing wrong: a character changed, dropped, doubled, or a look-alike. */
export const bent = (random: Random, text: string): string => {
  const at = random.int(Math.max(1, text.length))
  const [before, one, after] = [text.slice(0, at), text.slice(at, at + 1), text.slice(at + 1)]
  return random.pick([
    before + after,
    before + one + one + after,
    before + String.fromCharCode(random.int(0x250)) + after,
    before + LOOKALIKES.charAt(random.int(LOOKALIKES.length)) + after,
    `${before} ${one}${after}`,
    before,
    text.toUpperCase(),
    text + text,
    ` ${text}`,
    `${text}\u0000`,
  ])
}

const LOOKALIKES = 'аеорсхіјѕԁɡʏ０１ａｂ\u00ad\u200b\u2060\u00a0'

type Path = readonly (string | number)[]

const pathsOf = (value: Json, at: Path = []): Path[] => [
  at,
  ...(typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, inner]) =>
        pathsOf(inner, [...at, Array.isArray(value) ? Number(key) : key]),
      )
    : []),
]

/** One mutation away: a node replaced, dropped, added, renamed or exchanged for another. The rest stays what it was. */
export const mutated = (random: Random, value: Json): Json => {
  const copy = structuredClone(value)
  const paths = pathsOf(copy)
  const path = random.pick(paths)
  if (path.length === 0) return random.chance(0.3) ? nastyFor(random, copy) : withAdded(random, copy)
  const parent = at(copy, path.slice(0, -1)) as Record<string | number, Json>
  const key = path.at(-1)!
  const kind = random.int(10)
  if (kind < 6) parent[key] = nastyFor(random, parent[key])
  else if (kind === 6) drop(parent, key)
  else if (kind === 7) parent[key] = structuredClone(at(copy, random.pick(paths)))
  else if (kind === 8) parent[key] = withAdded(random, parent[key])
  else rename(random, parent, key)
  return copy
}

const at = (value: Json, path: Path): Json =>
  path.reduce<Json>((inner, key) => (inner as Record<string | number, Json>)[key], value)

const drop = (parent: Record<string | number, Json>, key: string | number): void => {
  if (Array.isArray(parent)) parent.splice(Number(key), 1)
  else delete parent[key]
}

const rename = (random: Random, parent: Record<string | number, Json>, key: string | number): void => {
  if (Array.isArray(parent)) return void parent.push(parent[Number(key)])
  const name = bent(random, String(key))
  const old = parent[key]
  delete parent[key]
  Object.defineProperty(parent, name, { value: old, enumerable: true, configurable: true, writable: true })
}

const withAdded = (random: Random, value: Json): Json => {
  if (Array.isArray(value)) return [...value, nastyFor(random, value[0])]
  if (typeof value !== 'object' || value === null) return nastyFor(random, value)
  const name = random.pick(['extra', '', 'toString', 'constructor', 'length', 'then', 'toJSON', '0'])
  return { ...value, [name]: nastyFor(random, 'text') }
}

/** Bytes of a JSON text with something done to the text itself, which no writer of JSON would do. */
export const mutatedText = (random: Random, text: string): Buffer => {
  const middle = random.int(Math.max(1, text.length))
  const first = text.indexOf('{') + 1
  const insert = (what: string): Buffer => Buffer.from(text.slice(0, first) + what + text.slice(first))
  const bytes = Buffer.from(text)
  const spliced = (...extra: number[]) =>
    Buffer.concat([bytes.subarray(0, middle), Buffer.from(extra), bytes.subarray(middle)])
  return random.pick<() => Buffer>([
    () => Buffer.from(`\ufeff${text}`),
    () => Buffer.from(text.slice(0, middle)),
    () => Buffer.from(`${text}}`),
    () => Buffer.from(`${text}${text}`),
    () => Buffer.from(`  \t\r\n${text}\n\n`),
    () => insert('"model":"test/other",'),
    () => insert('"x402Version":1,'),
    () => insert('"__proto__":{"stream":true},'),
    () => insert('"\\u005f_proto__":{"stream":true},'),
    () => insert('"constructor":{"prototype":{}},'),
    () => insert('/* c */'),
    () => insert('"a":1,,'),
    () => spliced(0xff),
    () => spliced(0xc0, 0x80),
    () => spliced(0xed, 0xa0, 0x80),
    () => spliced(0xf4, 0x90, 0x80, 0x80),
    () => spliced(0),
    () => spliced(0x0a),
    () => spliced(0x5c),
    () => spliced(0x22),
    () => Buffer.from(text, 'utf16le'),
    () => Buffer.from(text.replaceAll('"', "'")),
    () => Buffer.from(text.replace(/"(\w)/, (_, c: string) => `"\\u00${c.charCodeAt(0).toString(16)}`)),
    () => Buffer.from(text.replace(/"([^"]*)"/, '"$1\\ud800"')),
    () => Buffer.from('['.repeat(random.pick([60, 64, 65, 5000, 100_000]))),
    () => Buffer.from('{"a":'.repeat(random.pick([64, 65, 20_000]))),
    () => Buffer.from(`[${'0,'.repeat(random.pick([99_999, 100_001]))}0]`),
    () => Buffer.from(`"${'\\'.repeat(random.pick([1, 2, 9999, 50_000]))}"`),
    () => Buffer.from(random.pick(['', ' ', 'null', '[]', '{}', '1', '"a"', 'true', 'undefined', '\u0000'])),
    () => random.bytes(random.int(200)),
  ])()
}

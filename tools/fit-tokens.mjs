// Fits the weights of src/quote/tokens.ts: least squares against gpt-tokenizer's o200k_base on half of whatever
// text this machine has, and the error on the other half, per kind of text.
//
//   mkdir -p /tmp/fit && cd /tmp/fit && npm init -y && npm i --no-save gpt-tokenizer
//   FIT_TOKENIZER_DIR=/tmp/fit node tools/fit-tokens.mjs [--check | --write]
//
// --write replaces src/quote/tokens.generated.ts; --check fits nothing and reports the error of what is there.
// A feature new to countFeatures needs its line in WEIGHTS there, and its bounds below, before the first --write.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
if (!process.features.typescript) {
  // An older Node cannot import the .ts below: the one that the project installs can.
  const node = join(root, 'node_modules/.bin/node')
  const ran = spawnSync(node, process.argv.slice(1), { stdio: 'inherit' })
  process.exit(ran.status ?? 1)
}
const require = createRequire(join(process.env.FIT_TOKENIZER_DIR ?? root, 'x.js'))
const { countTokens } = require('gpt-tokenizer/encoding/o200k_base')
const { FEATURES, countFeatures, estimateTokens } = await import('../src/quote/tokens.ts')
const { CYRILLIC_PAIRS, LATIN_PAIRS, WEIGHTS } = await import('../src/quote/tokens.generated.ts')
const NAMES = Object.keys(WEIGHTS)

// ---- randomness that is the same on every run

let seed = 20260101
function random() {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed / 4294967296
}
const below = (n) => Math.floor(random() * n)
const pick = (list) => list[below(list.length)]
const times = (n, make) => Array.from({ length: n }, make)
function hash(text) {
  let h = 2166136261
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619)
  return (h ^ (h >>> 15)) >>> 0
}

// ---- files

function walk(dir, keep, limit = 400, depth = 7) {
  const found = []
  const visit = (path, left) => {
    let entries
    try {
      entries = readdirSync(path, { withFileTypes: true })
    } catch {
      return
    }
    for (const entry of entries) {
      const full = join(path, entry.name)
      if (entry.isDirectory() && left > 0) visit(full, left - 1)
      else if (entry.isFile() && keep(full)) found.push(full)
    }
  }
  if (existsSync(dir)) visit(dir, depth)
  return found.sort((a, b) => hash(a) - hash(b)).slice(0, limit)
}
const ends =
  (...suffixes) =>
  (path) =>
    suffixes.some((suffix) => path.endsWith(suffix))
function read(path, encoding = 'utf8') {
  let bytes = readFileSync(path)
  if (path.endsWith('.gz')) bytes = gunzipSync(bytes)
  return new TextDecoder(encoding).decode(bytes.subarray(0, 2_000_000))
}
const plain = (html) =>
  html
    .replace(/<(script|style|head|nav)[\s\S]*?<\/\1>/g, '')
    .replace(/<[^>]*>/g, '')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
    .replace(/&nbsp;/g, ' ')
    .replace(/&amp;/g, '&')
    .replace(/\n\s*\n\s*\n+/g, '\n\n')
const unroff = (roff) =>
  roff
    .replace(/^\.\\".*\n/gm, '')
    .replace(/^[.'].*?(?: (.*))?$/gm, (_, rest) => (rest ?? '').replace(/"/g, ''))
    .replace(/\\f\(?\w|\\[&/|^%]|\\s[-+]?\d/g, '')
    .replace(/\\-/g, '-')
    .replace(/\\\(../g, '')
    .replace(/\n\n+/g, '\n\n')
function translations(path) {
  const file = readFileSync(path)
  if (file.length < 28 || file.readUInt32LE(0) !== 0x950412de) return ''
  const lines = []
  for (let i = 0; i < file.readUInt32LE(8); i++) {
    const entry = file.readUInt32LE(16) + 8 * i
    const start = file.readUInt32LE(entry + 4)
    lines.push(file.subarray(start, start + file.readUInt32LE(entry)))
  }
  const charset = /charset=([\w-]+)/.exec(lines[0]?.toString('latin1') ?? '')?.[1] ?? 'utf-8'
  try {
    const decoder = new TextDecoder(charset, { fatal: true })
    return lines
      .slice(1)
      .map((line) => decoder.decode(line).replace(/\0/g, '\n'))
      .join('\n')
  } catch {
    return '' // a charset that the platform does not know, or a file that is not in it
  }
}

// ---- the corpus: kind → { weight, sources: [[name, text]] }

const corpus = new Map()
function add(kind, weight, sources) {
  const entry = corpus.get(kind) ?? { weight, sources: [] }
  entry.sources.push(...sources.filter(([, text]) => text.length >= 200))
  corpus.set(kind, entry)
}
const load = (paths, map = (text) => text, encoding = 'utf8') =>
  paths.map((path) => [path, map(read(path, encoding))])
const modules = join(root, 'node_modules')
const pyenv = join(homedir(), '.pyenv/versions')
const python = existsSync(pyenv)
  ? join(
      pyenv,
      readdirSync(pyenv)
        .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
        .at(-1),
      'lib',
    )
  : '/usr/lib/python3.11'
const toolchains = join(homedir(), '.rustup/toolchains')
const rust = existsSync(toolchains)
  ? join(
      toolchains,
      readdirSync(toolchains).find((name) => name.startsWith('stable')) ?? '',
      'share/doc/rust/html',
    )
  : '/usr/share/doc/rust-doc/html'
const chardet = '/usr/lib/google-cloud-sdk/platform/gsutil/third_party/chardet/tests'

const books = ['book', 'nomicon', 'reference', 'cargo', 'rustc', 'embedded-book', 'edition-guide']
const pages = books.flatMap((book) =>
  walk(
    join(rust, book),
    (path) => path.endsWith('.html') && !/print|toc|first-edition|2018/.test(path),
    80,
    1,
  ),
)
add('english prose', 6, load(pages, plain))
add('english prose', 6, load(walk('/usr/share/common-licenses', () => true)))
add(
  'english prose',
  6,
  load(
    walk(`${chardet}/ascii`, () => true),
    plain,
  ),
)
add('english manual', 2, load(walk('/usr/share/man/man1', ends('.gz'), 150), unroff))
add(
  'english news',
  2,
  load(walk('/usr/share/doc', (path) => /\/(NEWS|README)(\.Debian)?\.gz$/.test(path), 150)),
)
add('markdown', 4, load(walk(modules, (path) => /readme\.md$/i.test(path), 200)))
const tests = /\.(spec|test)\.|\.min\.|\/locales\//
add('typescript', 4, load(walk(modules, (path) => /[^d]\.ts$/.test(path) && !tests.test(path), 300)))
add('declarations', 1, load(walk(modules, ends('.d.ts'), 100)))
add('javascript', 4, load(walk(modules, (path) => /\.(js|mjs|cjs)$/.test(path) && !tests.test(path), 300)))
add(
  'python',
  4,
  load(walk(python, (path) => path.endsWith('.py') && !/\/(test|encodings|pydoc_data)/.test(path), 300)),
)
add('c headers', 2, load(walk('/usr/include', ends('.h'), 150)))
add('perl', 1, load(walk('/usr/share/perl', ends('.pm'), 80)))
add('shell', 1, load(walk('/usr/share/bash-completion', () => true, 80)))
add('sql', 1, load(walk('/usr/share/postgresql', ends('.sql'), 60)))
add('yaml', 1, load(walk('/usr/lib/google-cloud-sdk/lib', ends('.yaml'), 100)))
add('html', 1, load(pages.slice(0, 60)))
add('css', 1, load(walk(modules, ends('.css'), 30)))
add('css', 1, load(walk(rust, ends('.css'), 30, 2)))
add('xml', 1, load(walk(join(homedir(), '.m2'), ends('.pom'), 60, 12)))
const packages = walk(modules, ends('package.json'), 200)
add('json', 4, load(packages))
add(
  'json minified',
  3,
  load(packages, (text) => JSON.stringify(JSON.parse(text))),
)
const prose = pages.slice(0, 120).map((path) => [path, plain(read(path)).slice(0, 6000)])
add(
  'chat json',
  4,
  prose.map(([name, text], i) => {
    const content = i % 2 ? text : [{ type: 'text', text }]
    return [
      `${name}#chat`,
      JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content }], stream: true }),
    ]
  }),
)
add('javascript minified', 1, load(walk(modules, (path) => path.endsWith('.min.js'), 60)))
add('javascript minified', 1, load(walk('/usr/lib', (path) => path.endsWith('.min.js'), 60, 9)))

// Real prose of other languages, and the translations of the programs installed here.
const localised = '/usr/share/locale'
// biome-ignore format: a table
const languages = {
  german: ['de'], french: ['fr'], spanish: ['es'], italian: ['it'], portuguese: ['pt', 'pt_BR'], dutch: ['nl'],
  swedish: ['sv', 'da', 'nb'], polish: ['pl'], czech: ['cs', 'sk'], hungarian: ['hu'], finnish: ['fi', 'et'],
  turkish: ['tr', 'az'], romanian: ['ro'], vietnamese: ['vi'], indonesian: ['id', 'ms'], croatian: ['hr', 'sl'],
  'other latin': ['eu', 'ga', 'cy', 'sq', 'lt', 'lv', 'is', 'eo', 'ca', 'gl', 'mt', 'sw', 'af', 'tl', 'xh', 'uz', 'yo'],
  russian: ['ru'], ukrainian: ['uk', 'be', 'bg'], 'other cyrillic': ['sr', 'mk', 'kk', 'ky', 'mn', 'tg', 'tt'],
  greek: ['el'], hebrew: ['he', 'yi'], arabic: ['ar'], persian: ['fa', 'ug', 'ps', 'ur'], armenian: ['hy'],
  hindi: ['hi', 'mr', 'ne', 'mai'], bengali: ['bn', 'bn_IN', 'as'], 'other indic': ['ta', 'te', 'kn', 'ml', 'gu', 'pa', 'or', 'si'],
  thai: ['th'], 'khmer burmese': ['km', 'my'], georgian: ['ka'], amharic: ['am', 'dz'],
  japanese: ['ja'], chinese: ['zh_CN'], 'chinese traditional': ['zh_TW', 'zh_HK'], korean: ['ko'],
}
const common = {
  chinese: 4,
  japanese: 3,
  korean: 2,
  russian: 3,
  german: 3,
  french: 3,
  spanish: 3,
  portuguese: 3,
  italian: 2,
}
for (const [kind, codes] of Object.entries(languages)) {
  const weight = common[kind] ?? 1
  for (const code of codes) {
    add(
      kind,
      weight,
      walk(join(localised, code), ends('.mo'), 60).map((path) => [path, translations(path)]),
    )
    add(kind, weight, load(walk(join('/usr/share/man', code), ends('.gz'), 60), unroff))
    const book = { ja: 'ja', ko: 'ko', zh_CN: 'zh', es: 'es' }[code]
    if (book) {
      add(
        kind,
        weight,
        load(
          walk(join(rust, 'rust-by-example', book), ends('.html'), 60).filter(
            (path) => !path.includes('print'),
          ),
          plain,
        ),
      )
    }
    const locale = join(modules, 'zod/src/v4/locales', `${code.replace('_', '-')}.ts`)
    if (existsSync(locale)) add(kind, weight, load([locale]))
    const readme = join(modules, '@biomejs/biome', `README.${code.replace('_', '-')}.md`)
    if (existsSync(readme)) add(kind, weight, load([readme]))
  }
}
// biome-ignore format: a table
const encodings = {
  'windows-1251-russian': 'russian', 'KOI8-R': 'russian', 'windows-1251-bulgarian': 'ukrainian', GB2312: 'chinese',
  Big5: 'chinese traditional', SHIFT_JIS: 'japanese', 'EUC-JP': 'japanese', 'EUC-KR': 'korean', 'iso-8859-7-greek': 'greek',
  'windows-1255-hebrew': 'hebrew', 'windows-1256-arabic': 'arabic', 'TIS-620': 'thai', 'iso-8859-9-turkish': 'turkish',
  'iso-8859-2-hungarian': 'hungarian', 'iso-8859-2-polish': 'polish', 'iso-8859-2-czech': 'czech',
  'windows-1250-croatian': 'croatian', 'windows-1250-romanian': 'romanian', 'windows-1250-slovak': 'czech',
}
for (const [folder, kind] of Object.entries(encodings)) {
  const encoding = folder.replace(/^(windows-125\d|iso-8859-\d)-.*/, '$1').replace('TIS-620', 'windows-874')
  add(
    kind,
    common[kind] ?? 1,
    load(
      walk(join(chardet, folder), () => true),
      plain,
      encoding,
    ),
  )
}

// Data that people paste, made up.
const hex = (n) => times(n, () => '0123456789abcdef'[below(16)]).join('')
const letters = (alphabet, n) => times(n, () => alphabet[below(alphabet.length)]).join('')
const LOWERS = 'abcdefghijklmnopqrstuvwxyz'
const ALNUM = `${LOWERS}${LOWERS.toUpperCase()}0123456789`
const words = prose.flatMap(([, text]) => text.toLowerCase().match(/[a-z]{2,12}/g) ?? []).slice(0, 20_000)
const stamp = () => new Date(1.6e12 + random() * 2e11).toISOString()
function made(kind, weight, make, separator = '\n') {
  add(
    kind,
    weight,
    times(60, (_, i) => {
      const parts = []
      for (let size = 0; size < 6000; size += parts.at(-1).length + 1) parts.push(make(i))
      return [`${kind}${i}`, parts.join(separator)]
    }),
  )
}
const bytes = (n) => Buffer.from(times(n, () => below(256)))
made('base64', 2, () => bytes(3000).toString('base64'))
made('base64 lines', 1, () => bytes(57).toString('base64'))
made('base64url', 1, () => bytes(1 + below(64)).toString('base64url'), ' ')
made('hex', 2, () => `0x${hex(pick([8, 40, 64, 400, 4000]))}`, ' ')
made('hex upper', 1, () => hex(4000).toUpperCase())
made('hex dump', 1, (i) => times(16, () => hex(2)).join(' ') + (i % 2 ? `  |${letters(ALNUM, 16)}|` : ''))
made('uuid', 2, () => [8, 4, 4, 4, 12].map(hex).join('-'))
made('csv numbers', 2, () => times(8, () => (random() * 10 ** below(6)).toFixed(below(5))).join(','))
made('csv integers', 1, () => times(8, () => below(10 ** (1 + below(9)))).join(pick([',', ', ', '\t', ' '])))
made('csv mixed', 2, () =>
  [below(1e6), pick(words), stamp(), pick(words), (random() * 100).toFixed(2)].join(','),
)
made(
  'urls',
  2,
  () =>
    `https://${pick(words)}.${pick(words)}.${pick(['com', 'org', 'io'])}/${times(1 + below(4), () => pick(words)).join('/')}?${pick(words)}=${letters(ALNUM, below(20))}&id=${below(1e8)}`,
)
made(
  'logs',
  2,
  () =>
    `${stamp()} ${pick(['INFO', 'WARN', 'ERROR'])} [${pick(words)}-${below(20)}] ${pick(words)}.${pick(words)}: ${times(6, () => pick(words)).join(' ')} in ${below(5000)}ms (${hex(12)})`,
)
made('json records', 3, () =>
  JSON.stringify({
    id: below(1e6),
    name: `${pick(words)} ${pick(words)}`,
    at: stamp(),
    ok: random() < 0.5,
    tags: times(3, () => pick(words)),
    price: +(random() * 100).toFixed(2),
  }),
)
made(
  'emoji',
  1,
  () => `${pick(words)} ${pick(['😀', '🚀', '❤️', '👍🏽', '🎉', '👨‍👩‍👧', '✅', '🔥', '🇩🇪'])}`,
  ' ',
)
made('table drawing', 1, (i) =>
  i % 2
    ? `│ ${pick(words).padEnd(12)} │ ${String(below(1e5)).padStart(8)} │`
    : `| ${pick(words).padEnd(12)} | ${'-'.repeat(8)} |`,
)

// Hostile and broken text: it must not come out far too low; too high is harmless.
made('random lower', 0.3, () => letters(LOWERS, 2000))
made('random words', 0.3, () => letters(LOWERS, 2 + below(9)), ' ')
made('single letters', 0.3, () => pick([...ALNUM]), ' ')
const after = new Map()
for (const word of words) {
  for (let i = 0; i < word.length; i++) {
    const key = word[i - 1] ?? ''
    after.set(key, (after.get(key) ?? '') + word[i])
  }
}
function invented(n) {
  let word = ''
  while (word.length < n) word += pick(after.get(word.at(-1) ?? '') ?? LOWERS)
  return word
}
made('invented words', 0.3, () => invented(3 + below(10)), ' ')
made('random vietnamese', 0.1, () => times(2000, () => String.fromCharCode(0x1ea0 + below(90))).join(''))
made('random upper', 0.3, () => letters(LOWERS.toUpperCase(), 2000))
made('random letters', 0.3, () => letters(ALNUM.slice(0, 52), 2000))
made('random ascii', 0.5, () => times(2000, () => String.fromCharCode(32 + below(95))).join(''))
made('random marks', 0.3, () => letters('!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~', 2000))
made('random latin1', 0.3, () => bytes(2000).toString('latin1'))
made('random utf8', 0.3, () => bytes(2000).toString('utf8'))
made('random han', 0.3, () => times(2000, () => String.fromCharCode(0x4e00 + below(0x51a0))).join(''))
made('random hangul', 0.3, () => times(2000, () => String.fromCharCode(0xac00 + below(11172))).join(''))
made('random cyrillic', 0.1, () => times(2000, () => String.fromCharCode(0x430 + below(32))).join(''))
made('random emoji', 0.3, () => times(1000, () => String.fromCodePoint(0x1f300 + below(0x350))).join(''))
made('random unicode', 0.3, () => times(2000, () => String.fromCharCode(0x80 + below(0xd700))).join(''))
made('astral', 0.3, () => times(1000, () => String.fromCodePoint(0x10000 + below(0x20000))).join(''))
made('one letter', 0.5, (i) => ALNUM[i % 52].repeat(2000), ' ')
made('two letters', 0.3, (i) => letters(LOWERS, 2 + (i % 3)).repeat(600))
made(
  'blank space',
  0.3,
  (i) => pick([' ', '\n', '\t', '  \n', '\r\n']).repeat(1 + below(i < 30 ? 12 : 300)) + letters(LOWERS, 1),
  '',
)

// ---- pairs of letters, counted a second time for the fit: the estimator only adds up what they cost

const LATIN = { rows: 28, columns: 26, first: 1, start: 0 }
const CYRILLIC = { rows: 34, columns: 32, first: 0, start: 32 }
const SINGLE = FEATURES - 1 // all features but `pair`, which the two tables stand for
const AT_LATIN = SINGLE
const AT_CYRILLIC = AT_LATIN + LATIN.rows * LATIN.columns
const UNKNOWNS = AT_CYRILLIC + CYRILLIC.rows * CYRILLIC.columns
function countPairs(text, add) {
  for (const [run] of text.matchAll(/[A-Za-z\u00c0-\u017f\u01a0-\u01b0\u0218-\u021b\u1e00-\u1eff]+/g)) {
    let [letter, lower, alike, before] = [0, true, 0, '']
    for (const char of run) {
      if (char > 'z') letter = 27
      else {
        const upper = char < 'a'
        if (before === '' || (upper && lower)) letter = alike = 0
        else alike = char === before ? alike + 1 : 0
        if (alike > 1) continue
        const m = char.charCodeAt(0) & 31
        add(AT_LATIN + letter * LATIN.columns + m - 1)
        letter = m
        lower = !upper
      }
      before = char
    }
  }
  for (const [run] of text.matchAll(/[\u0400-\u052f]+/g)) {
    let letter = CYRILLIC.start
    for (const char of run) {
      const c = char.charCodeAt(0)
      const plain = c >= 0x410 && c <= 0x44f
      if (plain) add(AT_CYRILLIC + letter * CYRILLIC.columns + (c & 31))
      letter = plain ? c & 31 : 33
    }
  }
}
const costs = [
  ...LATIN_PAIRS.flatMap((row) => Array.from(row.slice(1, 27), Number)),
  ...CYRILLIC_PAIRS.flatMap((row) => Array.from(row, Number)),
]

// ---- samples: pieces of 150 to 6,000 characters, a whole source being on one side or the other

const PER_KIND = 240
const PAIR = NAMES.indexOf('pair')
const samples = []
for (const [kind, { weight, sources }] of corpus) {
  if (sources.length < 2) continue
  const ordered = sources.sort((a, b) => hash(a[0]) - hash(b[0]))
  for (let i = 0; i < PER_KIND; i++) {
    const index = i % ordered.length
    const [name, text] = ordered[index]
    const size = Math.round(150 * 40 ** random())
    const from = below(Math.max(1, text.length - size))
    const piece = text.slice(from, from + size)
    if (piece.trim() === '') continue
    const features = new Int32Array(FEATURES)
    countFeatures(piece, features)
    const counts = new Map()
    for (const [k, n] of features.filter((_, f) => f !== PAIR).entries()) if (n > 0) counts.set(k, n)
    let cost = 0
    countPairs(piece, (k) => {
      counts.set(k, (counts.get(k) ?? 0) + 1)
      cost += costs[k - SINGLE]
    })
    if (cost !== features[PAIR]) throw new Error(`the two counts of pairs differ in ${JSON.stringify(piece)}`)
    const truth = countTokens(piece, { allowedSpecial: 'all' })
    samples.push({
      kind,
      weight,
      piece,
      truth,
      held: hash(name.replace('#chat', '')) % 2 === 1, // the same file in several kinds is on one side in all
      at: [...counts.keys()],
      n: [...counts.values()],
    })
  }
}
const held = samples.filter((sample) => sample.held)
const characters = samples.reduce((n, sample) => n + sample.piece.length, 0)
console.error(`${samples.length} samples of ${corpus.size} kinds, ${characters} characters`)

// ---- the fit: least squares of the relative error, an underestimate counting more than an overestimate. The
// bounds see to it that nothing costs more than its bytes, and joined words little more than the two apart.

const UNDER = 4
const UNIT = 0.07
const RIDGE = 0.5 // of the pairs alone, towards what a pair in no text is given
const RARE = 0.2
const SINGLES = NAMES.filter((name) => name !== 'pair')
const floors = new Float64Array(UNKNOWNS)
const ceilings = new Float64Array(UNKNOWNS).fill(9 * UNIT)
for (const [at, { columns, start }] of [
  [AT_LATIN, LATIN],
  [AT_CYRILLIC, CYRILLIC],
]) {
  ceilings.fill(5 * UNIT, at + start * columns, at + (start + 1) * columns)
}
floors.fill(UNIT, AT_LATIN + LATIN.columns, AT_CYRILLIC - LATIN.columns) // no loop of letters is for nothing
function bound(floor, ceiling, names) {
  for (const name of names.split(' ')) {
    floors[SINGLES.indexOf(name)] = floor
    ceilings[SINGLES.indexOf(name)] = ceiling
  }
}
bound(0, 0.6, 'wordAfterMark wordAfterApostrophe word hump')
bound(0, 1, 'wordAfterSpace spaceBeforeDigits newline newlineAfterMark mark markAfterSpace')
bound(0, 0.8, 'tab')
bound(0, 0.2, 'blanks')
bound(0, 1, 'apostrophe control latin latinExtended')
bound(0, 0.4, 'markByQuote moreMarks')
bound(0.3, 0.6, 'moreOddMarks')
bound(0, 0.14, 'letter8 letter12')
bound(0, 0.07, 'capital')
bound(0, 0.2, 'cyrillic5')
bound(0.125, 0.125, 'sameLetter')
bound(0.3, 0.4, 'sameOtherLetter')
bound(1, 1, 'digits')
bound(0.01, 0.1, 'longBlank')
bound(0.0625, 1, 'moreNewlines')
bound(0.03, 0.1, 'sameRule')
bound(0.25, 0.5, 'sameMark')
bound(0.1, 0.3, 'sameDrawing')
bound(0, 0.6, 'letterAfterSpace')
bound(0, 0.35, 'twoLetters')
bound(0.35, 0.4, 'lateMarks')
bound(0.5, 1, 'latinRun')
bound(0, 0.7, 'cyrillic cyrillicWord')
bound(0, 1.3, 'cyrillicExtended')
bound(0, 2, 'greek armenian hebrew arabic drawing')
bound(0.9, 2, 'symbol')
bound(0.8, 2, 'combining')
bound(1.6, 2, 'other2')
bound(0.2, 1, 'vietnamese')
bound(0, 2, 'indic indicRare thai khmer georgian kana han hangul wideMark')
bound(0.5, 2, 'punctuation')
bound(0, 3, 'rareHan rareHangul replacement')
bound(2.2, 3, 'other3')
bound(2, 2, 'lone')
bound(0, 4, 'emoji astral')

function sumOf({ at, n }, w) {
  let sum = 0
  for (let i = 0; i < at.length; i++) sum += n[i] * w[at[i]]
  return sum
}

/** Bounded least squares by coordinate descent; only the first `free` of the unknowns move. */
function solve(start, free) {
  let w = Float64Array.from(start)
  for (let round = 0; round < 7; round++) {
    const matrix = Array.from({ length: UNKNOWNS }, () => new Float64Array(UNKNOWNS))
    const gradient = new Float64Array(UNKNOWNS)
    for (const sample of samples) {
      if (sample.held) continue
      const { at, n, truth, weight } = sample
      const sum = sumOf(sample, w)
      const scale = (weight * (sum < truth ? UNDER : 1)) / (truth * truth)
      for (let i = 0; i < at.length; i++) {
        const row = matrix[at[i]]
        const factor = scale * n[i]
        gradient[at[i]] += factor * (truth - sum)
        for (let j = 0; j < at.length; j++) row[at[j]] += factor * n[j]
      }
    }
    const next = Float64Array.from(w)
    for (let pass = 0; pass < 150; pass++) {
      for (let k = 0; k < free; k++) {
        const row = matrix[k]
        const pull = k < SINGLE ? 0 : RIDGE
        const wanted = next[k] + (gradient[k] + pull * (RARE - next[k])) / (row[k] + pull + 1e-9)
        const step = Math.min(ceilings[k], Math.max(floors[k], wanted)) - next[k]
        if (step === 0) continue
        next[k] += step
        for (let l = 0; l < UNKNOWNS; l++) gradient[l] -= step * row[l]
      }
    }
    w = next
  }
  return w
}

const checking = process.argv.includes('--check')
let weights = Float64Array.from([
  ...SINGLES.map((name) => WEIGHTS[name]),
  ...costs.map((cost) => cost * WEIGHTS.pair),
])
if (!checking) {
  weights = solve(floors, UNKNOWNS)
  for (let k = SINGLE; k < UNKNOWNS; k++) weights[k] = Math.round(weights[k] / UNIT) * UNIT
  weights = solve(weights, SINGLE)
  for (let k = 0; k < SINGLE; k++) weights[k] = Math.round(weights[k] * 1000) / 1000
}

// ---- the report

const percent = (x) => `${(100 * x).toFixed(0)} %`.padStart(7)
const lines = [`${'held out: estimate / truth - 1'.padEnd(32)}     p5  median     p95  lowest`]
for (const kind of corpus.keys()) {
  const errors = held
    .filter((sample) => sample.kind === kind)
    .map(
      (sample) =>
        (checking ? estimateTokens(sample.piece) : Math.round(sumOf(sample, weights))) / sample.truth - 1,
    )
    .sort((a, b) => a - b)
  if (errors.length === 0) continue
  const quantile = (q) => percent(errors[Math.min(errors.length - 1, Math.floor(q * errors.length))])
  lines.push(`${kind.padEnd(31)}${quantile(0.05)} ${quantile(0.5)} ${quantile(0.95)} ${percent(errors[0])}`)
}
console.log(lines.join('\n'))

if (process.argv.includes('--write') && !checking) {
  const rows = (at, { rows: count, columns, first }) =>
    Array.from({ length: count }, (_, row) => {
      const cells = weights.slice(at + row * columns, at + (row + 1) * columns)
      const written = Array.from(cells, (w) => Math.round(w / UNIT)).join('')
      return `  '${('0'.repeat(first) + written).padEnd(32, '0')}',`
    }).join('\n')
  const table = NAMES.map(
    (name) => `  ${name}: ${name === 'pair' ? UNIT : weights[SINGLES.indexOf(name)]},`,
  ).join('\n')
  writeFileSync(
    join(root, 'src/quote/tokens.generated.ts'),
    `// Written by tools/fit-tokens.mjs --write: what each feature of a text costs in o200k_base tokens. Fitted by least
// squares of the relative error, underestimates counting ${UNDER} times, on half of ${samples.length} samples (${(characters / 1e6).toFixed(0)} million
// characters) of ${lines.length - 1} kinds of text; whole files are on one side. The error on the other half:
//
${lines.map((line) => `//   ${line}`).join('\n')}

export const WEIGHTS = {
${table}
} as const

/** What a letter costs after another, in WEIGHTS.pair. Rows: the letter before (the first, none: a word starts; 1 to 26, a to z; 27, another Latin letter). Columns 1 to 26: a to z. */
export const LATIN_PAIRS = [
${rows(AT_LATIN, LATIN)}
] as const

/** The same of the Cyrillic letters, numbered by the low five bits of their codes; row 32: a word starts; row 33: a letter beyond а to я. */
export const CYRILLIC_PAIRS = [
${rows(AT_CYRILLIC, CYRILLIC)}
] as const
`,
  )
}

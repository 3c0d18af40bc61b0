// How many tokens a text is, near enough to price it before anybody has paid. Exact BPE is super-linear on
// inputs an attacker picks, so this is one pass over the characters that counts features of the text (the
// starts of words, their later letters, groups of digits…) and adds them up with fitted weights.

// What one of each feature costs in o200k_base tokens.
export const WEIGHTS = {
  wordAfterSpace: 1,
  wordAfterMark: 1,
  word: 1,
  wordAfterApostrophe: 1,
  hump: 1,
  capital: 0.4,
  letter2: 0.1,
  letter5: 0.1,
  letter8: 0.1,
  letter12: 0.3,
  consonants: 0.1,
  vowels: 0.1,
  sameLetter: 0.125,
  digits: 1,
  spaceBeforeDigits: 1,
  blanks: 1,
  longBlank: 0.02,
  tab: 0.5,
  newlineAfterMark: 0.3,
  newline: 1,
  moreNewlines: 0.3,
  mark: 0.9,
  markAfterSpace: 0.9,
  moreMarks: 0.6,
  sameMark: 0.1,
  apostrophe: 0.1,
  control: 1,
  runStart: 0.1,
  latin: 0.5,
  combining: 1,
  cyrillic: 0.4,
  greek: 0.4,
  hebrew: 0.4,
  arabic: 0.4,
  armenian: 0.4,
  devanagari: 0.4,
  indic: 0.5,
  thai: 0.5,
  khmer: 0.5,
  georgian: 0.5,
  kana: 0.7,
  han: 0.8,
  rareHan: 1.9,
  hangul: 0.8,
  rareHangul: 2.3,
  dash: 1,
  symbol: 1.5,
  wideMark: 1,
  emoji: 2,
  astral: 3.5,
  other: 2.5,
  lone: 1,
} as const

type Feature = keyof typeof WEIGHTS
export const FEATURES = Object.keys(WEIGHTS) as Feature[]
const VALUES = Float64Array.from(Object.values(WEIGHTS))
const at = (name: Feature): number => FEATURES.indexOf(name)

const WORD_AFTER_SPACE = at('wordAfterSpace')
const WORD_AFTER_MARK = at('wordAfterMark')
const WORD = at('word')
const WORD_AFTER_APOSTROPHE = at('wordAfterApostrophe')
const HUMP = at('hump')
const CAPITAL = at('capital')
const LETTER2 = at('letter2')
const LETTER5 = at('letter5')
const LETTER8 = at('letter8')
const LETTER12 = at('letter12')
const CONSONANTS = at('consonants')
const VOWELS = at('vowels')
const SAME_LETTER = at('sameLetter')
const DIGITS = at('digits')
const SPACE_BEFORE_DIGITS = at('spaceBeforeDigits')
const BLANKS = at('blanks')
const LONG_BLANK = at('longBlank')
const TAB = at('tab')
const NEWLINE_AFTER_MARK = at('newlineAfterMark')
const NEWLINE = at('newline')
const MORE_NEWLINES = at('moreNewlines')
const MARK = at('mark')
const MARK_AFTER_SPACE = at('markAfterSpace')
const MORE_MARKS = at('moreMarks')
const SAME_MARK = at('sameMark')
const APOSTROPHE = at('apostrophe')
const RUN_START = at('runStart')
const LATIN = at('latin')
const EMOJI = at('emoji')
const ASTRAL = at('astral')
const LONE = at('lone')

// Classes of characters: these eight, and for the others the index of the feature that counts them (≥ 8).
const LOWER = 0
const UPPER = 1
const DIGIT = 2
const BLANK = 3
const LINE = 4
const PUNCT = 5
const SURROGATE = 6
const START = 7

const CLASS = new Uint8Array(0x10000).fill(at('other'))
const RANGES: [number, number, number | Feature][] = [
  [0x00, 0x1f, 'control'],
  [0x21, 0x7e, PUNCT],
  [0x7f, 0x9f, 'control'],
  [0xa0, 0xbf, 'symbol'],
  [0xc0, 0x24f, 'latin'],
  [0x300, 0x36f, 'combining'],
  [0x370, 0x3ff, 'greek'],
  [0x400, 0x4ff, 'cyrillic'],
  [0x531, 0x58f, 'armenian'],
  [0x590, 0x5ff, 'hebrew'],
  [0x600, 0x6ff, 'arabic'],
  [0x900, 0x97f, 'devanagari'],
  [0x980, 0xdff, 'indic'],
  [0xe00, 0xe7f, 'thai'],
  [0x10a0, 0x10ff, 'georgian'],
  [0x1000, 0x109f, 'khmer'],
  [0x1780, 0x17ff, 'khmer'],
  [0x1e00, 0x1eff, 'latin'],
  [0x2000, 0x206f, 'dash'],
  [0x2070, 0x2bff, 'symbol'],
  [0x3000, 0x303f, 'wideMark'],
  [0x3040, 0x30ff, 'kana'],
  [0x4e00, 0x9fff, 'rareHan'],
  [0xac00, 0xd7a3, 'rareHangul'],
  [0xd800, 0xdfff, SURROGATE],
  [0xff00, 0xff65, 'wideMark'],
  [0x09, 0x09, BLANK],
  [0x0a, 0x0a, LINE],
  [0x0d, 0x0d, LINE],
  [0x20, 0x20, BLANK],
  [0x30, 0x39, DIGIT],
  [0x41, 0x5a, UPPER],
  [0x61, 0x7a, LOWER],
]
for (const [from, to, cls] of RANGES) {
  CLASS.fill(typeof cls === 'number' ? cls : at(cls), from, to + 1)
}

// The common Chinese characters and Korean syllables, which cost about a third of the others, are the ones
// that the national standards put first: the platform's decoders know them.
function markCommon(label: string, from: number, to: number, low: number, high: number): void {
  const bytes = new Uint8Array(2 * (to - from + 1) * (high - low + 1))
  let n = 0
  for (let lead = from; lead <= to; lead++) {
    for (let trail = low; trail <= high; trail++) {
      bytes[n++] = lead
      bytes[n++] = trail
    }
  }
  for (const char of new TextDecoder(label).decode(bytes)) {
    const c = char.charCodeAt(0)
    if (c >= 0x4e00 && c <= 0x9fff) CLASS[c] = at('han')
    if (c >= 0xac00 && c <= 0xd7a3) CLASS[c] = at('hangul')
  }
}
markCommon('gbk', 0xb0, 0xd7, 0xa1, 0xfe)
markCommon('big5', 0xa4, 0xc6, 0x40, 0x7e)
markCommon('big5', 0xa4, 0xc6, 0xa1, 0xfe)
markCommon('shift_jis', 0x88, 0x98, 0x40, 0x7e)
markCommon('shift_jis', 0x88, 0x98, 0x80, 0xfc)
markCommon('euc-kr', 0xb0, 0xc8, 0xa1, 0xfe)

const VOWEL_BITS = (1 << 1) | (1 << 5) | (1 << 9) | (1 << 15) | (1 << 21) | (1 << 25)

/** Counts the features of a text into `n`, which the caller has cleared. Exported for tools/fit-tokens.mjs. */
export function countFeatures(text: string, n: Int32Array): void {
  let before = START // the class of the previous character
  let last = 0 // and its code
  let run = 0 // how long the current chunk is: letters of a word, digits of a group, blanks, marks
  let attached = false // whether a run of marks began right after a letter, a digit or a newline
  let vowels = 0
  let consonants = 0
  let same = 0
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    const cls = CLASS[c]!
    if (cls <= UPPER || cls === LATIN) {
      if (cls === LATIN) n[LATIN]!++
      const inWord = before <= UPPER || before === LATIN
      if (inWord && !(cls === UPPER && before === LOWER)) {
        run++
        same = c === last ? same + 1 : 0
        if (same > 1) n[SAME_LETTER]!++
        else if (cls === UPPER) n[CAPITAL]!++
        else if (run < 5) n[LETTER2]!++
        else if (run < 8) n[LETTER5]!++
        else if (run < 12) n[LETTER8]!++
        else n[LETTER12]!++
      } else {
        if (inWord) n[HUMP]!++
        else if (before === BLANK) n[WORD_AFTER_SPACE]!++
        else if (before === PUNCT && last === 39) n[WORD_AFTER_APOSTROPHE]!++
        else if (before === PUNCT && run === 1 && attached) n[WORD_AFTER_MARK]!++
        else n[WORD]!++
        run = 1
        same = vowels = consonants = 0
      }
      if (cls === LOWER) {
        if ((VOWEL_BITS >> (c & 31)) & 1) {
          consonants = 0
          if (++vowels > 2 && same < 2) n[VOWELS]!++
        } else {
          vowels = 0
          if (++consonants > 3 && same < 2) n[CONSONANTS]!++
        }
      }
    } else if (cls === BLANK) {
      if (before !== BLANK) run = 0
      run++
      if (run === 2) n[BLANKS]!++
      else if (run > 16) n[LONG_BLANK]!++
      if (c === 9 && last !== 9) n[TAB]!++
    } else if (cls === PUNCT) {
      if (before === PUNCT) {
        run++
        if (c === last) n[SAME_MARK]!++
        else n[MORE_MARKS]!++
      } else {
        if (c === 39 && (before <= UPPER || before === LATIN)) n[APOSTROPHE]!++
        else if (before === BLANK) n[MARK_AFTER_SPACE]!++
        else n[MARK]!++
        attached = before !== BLANK
        run = 1
      }
    } else if (cls === DIGIT) {
      if (before === BLANK) n[SPACE_BEFORE_DIGITS]!++
      if (before !== DIGIT || run === 3) {
        n[DIGITS]!++
        run = 0
      }
      run++
    } else if (cls === LINE) {
      if (before === LINE) n[MORE_NEWLINES]!++
      else if (before === PUNCT) n[NEWLINE_AFTER_MARK]!++
      else n[NEWLINE]!++
    } else if (cls === SURROGATE) {
      const d = c < 0xdc00 && i + 1 < text.length ? text.charCodeAt(i + 1) : 0
      if (d >= 0xdc00 && d <= 0xdfff) {
        i++
        if (c >= 0xd83c && c <= 0xd83e) n[EMOJI]!++
        else n[ASTRAL]!++
      } else n[LONE]!++
    } else {
      n[cls]!++
      if (before !== cls) n[RUN_START]!++
    }
    before = cls
    last = c
  }
}

const counts = new Int32Array(FEATURES.length)

/** The o200k_base tokens of a text, estimated in one pass: never more than its UTF-8 bytes. */
export function estimateTokens(text: string): number {
  counts.fill(0)
  countFeatures(text, counts)
  let sum = 0
  for (let i = 0; i < counts.length; i++) sum += counts[i]! * VALUES[i]!
  return Math.min(Math.ceil(sum), utf8Bytes(text))
}

export function utf8Bytes(text: string): number {
  return Buffer.byteLength(text)
}

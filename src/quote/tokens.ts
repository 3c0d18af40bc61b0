import { CYRILLIC_PAIRS, LATIN_PAIRS, WEIGHTS } from './tokens.generated.ts'

// How many tokens a text is, near enough to price it before anybody has paid. Exact BPE blocks the event loop
// for seconds on texts that a caller picks, so this is one pass over the characters: it counts features of the
// text (starts of words, pairs of letters, groups of digits, marks…) and adds them up with fitted weights.

type Feature = keyof typeof WEIGHTS
const NAMES = Object.keys(WEIGHTS) as Feature[]
const VALUES = Float64Array.from(Object.values(WEIGHTS))
/** How many counts `countFeatures` fills: one for each of WEIGHTS, in its order. */
export const FEATURES = NAMES.length
const F = {} as Record<Feature, number>
NAMES.forEach((name, index) => {
  F[name] = index
})

// What a letter costs after another: at `OF_ROW * l + m` for letter m after letter l, in WEIGHTS.pair.
const digits = (rows: readonly string[]): Uint8Array => Uint8Array.from(rows.join(''), Number)
const LATIN_COST = digits(LATIN_PAIRS)
const CYRILLIC_COST = digits(CYRILLIC_PAIRS)
const OF_ROW = 32
const NO_LETTER = 0 // of what stands before the first letter of a word, where a–z have 1 to 26
const OTHER_LETTER = 27 // of a Latin letter beyond a–z
const CYRILLIC_START = 32 // where а–я have the low five bits of their codes
const OTHER_CYRILLIC = 33

// The classes of characters: these eight; any other character has the index of the feature that counts it.
const LOWER = 0
const UPPER = 1
const DIGIT = 2
const BLANK = 3
const LINE = 4
const MARK = 5
const SURROGATE = 6
const START = 7
// biome-ignore format: a table
const {
  word: WORD, hump: HUMP, sameLetter: SAME_LETTER, sameOtherLetter: SAME_OTHER_LETTER, capital: CAPITAL,
  letter8: LETTER_8, letter12: LETTER_12, tab: LEADING_TAB, blanks: BLANKS, longBlank: LONG_BLANK,
  wordAfterSpace: WORD_AFTER_SPACE, markAfterSpace: MARK_AFTER_SPACE, apostrophe: INNER_APOSTROPHE,
  mark: FIRST_MARK, sameRule: SAME_RULE, sameMark: SAME_MARK, markByQuote: MARK_BY_QUOTE,
  moreOddMarks: MORE_ODD_MARKS, moreMarks: MORE_MARKS, wordAfterApostrophe: WORD_AFTER_APOSTROPHE,
  wordAfterMark: WORD_AFTER_MARK, digits: DIGITS, spaceBeforeDigits: SPACE_BEFORE_DIGITS,
  newlineAfterMark: NEWLINE_AFTER_MARK, newline: NEWLINE, moreNewlines: MORE_NEWLINES,
  cyrillicWord: CYRILLIC_WORD, cyrillic5: CYRILLIC_5, emoji: EMOJI, astral: ASTRAL, lone: LONE,
  drawing: DRAWING, sameDrawing: SAME_DRAWING, letterAfterSpace: LETTER_AFTER_SPACE, twoLetters: TWO_LETTERS,
  latinRun: LATIN_RUN, lateMarks: LATE_MARKS, pair: PAIR, latin: LATIN,
  vietnamese: VIETNAMESE, cyrillic: CYRILLIC, cyrillicExtended: CYRILLIC_EXTENDED,
} = F

const CLASS = new Uint8Array(0x10000)
// biome-ignore format: a table
const RANGES: [from: number, to: number, cls: number | Feature][] = [
  [0x0000, 0x07ff, 'other2'], [0x0800, 0xffff, 'other3'], [0x0000, 0x009f, 'control'],
  [0x0021, 0x007e, MARK], [0x0009, 0x0009, BLANK], [0x0020, 0x0020, BLANK], [0x000a, 0x000a, LINE],
  [0x000d, 0x000d, LINE], [0x0030, 0x0039, DIGIT], [0x0041, 0x005a, UPPER], [0x0061, 0x007a, LOWER],
  [0x00a0, 0x00bf, 'symbol'], [0x00c0, 0x00ff, 'latin'], [0x0100, 0x017f, 'latinExtended'],
  [0x01a0, 0x01b0, 'latinExtended'], [0x0218, 0x021b, 'latinExtended'],
  [0x0300, 0x036f, 'combining'], [0x0370, 0x03ff, 'greek'], [0x0400, 0x052f, 'cyrillicExtended'],
  [0x0410, 0x044f, 'cyrillic'], [0x0531, 0x058f, 'armenian'], [0x0590, 0x05ff, 'hebrew'],
  [0x0600, 0x06ff, 'arabic'], [0x0900, 0x0dff, 'indic'], [0x0a00, 0x0a7f, 'indicRare'],
  [0x0b00, 0x0b7f, 'indicRare'], [0x0d80, 0x0dff, 'indicRare'], [0x0e00, 0x0e7f, 'thai'],
  [0x1000, 0x109f, 'khmer'], [0x10a0, 0x10ff, 'georgian'], [0x1780, 0x17ff, 'khmer'],
  [0x1e00, 0x1eff, 'vietnamese'], [0x2000, 0x206f, 'punctuation'], [0x2070, 0x2bff, 'symbol'],
  [0x2010, 0x2015, 'drawing'], [0x2026, 0x2026, 'drawing'], [0x2500, 0x259f, 'drawing'],
  [0x3000, 0x303f, 'wideMark'], [0x3040, 0x30ff, 'kana'], [0x4e00, 0x9fff, 'rareHan'],
  [0xac00, 0xd7a3, 'rareHangul'], [0xd800, 0xdfff, SURROGATE], [0xfe00, 0xfe0f, 'combining'],
  [0xff01, 0xff0f, 'wideMark'], [0xff1a, 0xff20, 'wideMark'], [0xfffd, 0xfffd, 'replacement'],
]
for (const [from, to, cls] of RANGES) CLASS.fill(typeof cls === 'number' ? cls : F[cls], from, to + 1)

// The common Chinese characters and Korean syllables cost about a third of the others. They are those that the
// national standards list first, which the platform's decoders know.
// biome-ignore format: a table
for (const [label, leads, trails] of [
  ['gbk', [0xb0, 0xd7], [0xa1, 0xfe]], ['big5', [0xa4, 0xc6], [0x40, 0x7e]], ['big5', [0xa4, 0xc6], [0xa1, 0xfe]],
  ['shift_jis', [0x88, 0x98], [0x40, 0x7e]], ['shift_jis', [0x88, 0x98], [0x80, 0xfc]],
  ['euc-kr', [0xb0, 0xc8], [0xa1, 0xfe]],
] as const) {
  const bytes: number[] = []
  for (let lead = leads[0]; lead <= leads[1]; lead++) {
    for (let trail = trails[0]; trail <= trails[1]; trail++) bytes.push(lead, trail)
  }
  for (const char of new TextDecoder(label).decode(Uint8Array.from(bytes))) {
    const c = char.charCodeAt(0)
    if (CLASS[c] === F.rareHan) CLASS[c] = F.han
    else if (CLASS[c] === F.rareHangul) CLASS[c] = F.hangul
  }
}

const TAB = 9
const QUOTE = 34
const APOSTROPHE = 39
const flags = (chars: string): Uint8Array =>
  Uint8Array.from({ length: 128 }, (_, c) => Number(chars.includes(String.fromCharCode(c))))
const RULES = flags('#%*+-./=_~') // marks that people draw lines with: long runs are few tokens
const ODD_MARKS = flags('!#$%&*+<=>?@\\^`|~') // marks that seldom share a token with another
const CHEAP_RUNS = flags('aAfFlLoOxX') // letters of which eight alike are one token, not two or four

/** Adds the features of a text to `n`, FEATURES counts. Exported for tools/fit-tokens.mjs. */
export function countFeatures(text: string, n: Int32Array): void {
  const length = text.length
  let pairs = 0
  let opening = WORD // what a word counts as if it comes next
  let before = START // the class of the run of characters before
  let i = 0
  while (i < length) {
    const start = i
    let c = text.charCodeAt(i++)
    const cls = CLASS[c]!
    if (cls <= UPPER || (cls >= LATIN && cls <= VIETNAMESE)) {
      n[opening]!++
      opening = HUMP
      let letter = OTHER_LETTER
      if (cls <= UPPER) {
        letter = c & 31
        pairs += LATIN_COST[OF_ROW * NO_LETTER + letter]!
      } else n[cls]!++
      let kind = cls === UPPER ? UPPER : LOWER
      let alike = 0
      let repeated = 0
      for (; i < length; i++) {
        const d = text.charCodeAt(i)
        const next = CLASS[d]!
        if (next > kind) {
          if (next < LATIN || next > VIETNAMESE) break
          n[next]!++
          if (letter === OTHER_LETTER) n[LATIN_RUN]!++
          letter = OTHER_LETTER
        } else {
          const m = d & 31
          if (d !== c) alike = 0
          else if (++alike > 1) {
            n[CHEAP_RUNS[d]! > 0 ? SAME_LETTER : SAME_OTHER_LETTER]!++
            repeated++
            continue
          }
          pairs += LATIN_COST[OF_ROW * letter + m]!
          if (next === UPPER) n[CAPITAL]!++
          letter = m
          kind = next
        }
        c = d
      }
      const letters = i - start - repeated
      if (letters < 3) {
        if (letters === 2) n[TWO_LETTERS]!++
        else if (before === BLANK) n[LETTER_AFTER_SPACE]!++
      } else if (letters > 7) {
        n[LETTER_8]! += Math.min(letters, 11) - 7
        n[LETTER_12]! += Math.max(letters, 11) - 11
      }
    } else if (cls === BLANK) {
      while (i < length && CLASS[text.charCodeAt(i)] === BLANK) i++
      if (c === TAB) n[LEADING_TAB]!++
      if (i - start > 1) n[BLANKS]!++
      if (i - start > 16) n[LONG_BLANK]! += i - start - 16
      opening = WORD_AFTER_SPACE
    } else if (cls === MARK) {
      if (before === BLANK) n[MARK_AFTER_SPACE]!++
      else if (c === APOSTROPHE && before === LOWER) n[INNER_APOSTROPHE]!++
      else n[FIRST_MARK]!++
      for (; i < length; i++) {
        const d = text.charCodeAt(i)
        if (CLASS[d] !== MARK) break
        if (d === c) n[RULES[d]! > 0 ? SAME_RULE : SAME_MARK]!++
        else if (d === QUOTE || c === QUOTE) n[MARK_BY_QUOTE]!++
        else if (ODD_MARKS[c]! + ODD_MARKS[d]! > 0) n[MORE_ODD_MARKS]!++
        else n[MORE_MARKS]!++
        if (d !== c && i - start > 3) n[LATE_MARKS]!++
        c = d
      }
      if (c === APOSTROPHE) opening = WORD_AFTER_APOSTROPHE
      else opening = before !== BLANK && i - start === 1 ? WORD_AFTER_MARK : WORD
    } else if (cls === DIGIT) {
      while (i < length && CLASS[text.charCodeAt(i)] === DIGIT) i++
      n[DIGITS]! += Math.ceil((i - start) / 3)
      if (before === BLANK && text.charCodeAt(start - 1) !== TAB) n[SPACE_BEFORE_DIGITS]!++
      opening = WORD
    } else if (cls === LINE) {
      while (i < length && CLASS[text.charCodeAt(i)] === LINE) i++
      n[before === MARK ? NEWLINE_AFTER_MARK : NEWLINE]!++
      n[MORE_NEWLINES]! += i - start - 1
      opening = WORD
    } else if (cls === CYRILLIC || cls === CYRILLIC_EXTENDED) {
      n[CYRILLIC_WORD]!++
      let letter = CYRILLIC_START
      for (let kind = cls; ; i++) {
        n[kind]!++
        if (kind === CYRILLIC) pairs += CYRILLIC_COST[OF_ROW * letter + (c & 31)]!
        letter = kind === CYRILLIC ? c & 31 : OTHER_CYRILLIC
        if (i >= length) break
        c = text.charCodeAt(i)
        kind = CLASS[c]!
        if (kind !== CYRILLIC && kind !== CYRILLIC_EXTENDED) break
      }
      if (i - start > 4) n[CYRILLIC_5]! += i - start - 4
      opening = WORD
    } else if (cls === SURROGATE) {
      const low = c < 0xdc00 && i < length ? text.charCodeAt(i) : 0
      if (low >= 0xdc00 && low <= 0xdfff) {
        i++
        n[c >= 0xd83c && c <= 0xd83e ? EMOJI : ASTRAL]!++
      } else n[LONE]!++
      opening = WORD
    } else {
      n[cls]!++
      if (cls === DRAWING) {
        for (; i < length && text.charCodeAt(i) === c; i++) n[SAME_DRAWING]!++
      }
      opening = WORD
    }
    before = cls === UPPER ? LOWER : cls
  }
  n[PAIR]! += pairs
}

const counts = new Int32Array(FEATURES)

/** The o200k_base tokens of a text, estimated: one at least unless it is empty, and never more than its UTF-8 bytes. */
export function estimateTokens(text: string): number {
  if (text === '') return 0
  counts.fill(0)
  countFeatures(text, counts)
  let sum = 0
  for (let i = 0; i < FEATURES; i++) sum += counts[i]! * VALUES[i]!
  return Math.min(Math.max(1, Math.round(sum)), utf8Bytes(text))
}

/** The UTF-8 bytes of a text: no tokenizer makes more tokens of it. */
export function utf8Bytes(text: string): number {
  return Buffer.byteLength(text)
}

// How many tokens a text is, near enough to price it before anybody has paid. Exact BPE is super-linear on
// inputs that a caller picks, so this is one pass over the characters: it counts features of the text (starts
// of words, pairs of letters, groups of digits, marks…) and adds them up with fitted weights.

// What one of each feature costs, in o200k_base tokens.
export const WEIGHTS = {
  wordAfterSpace: 0.404,
  wordAfterMark: 0,
  wordAfterApostrophe: 0.6,
  word: 0.6,
  hump: 0.6,
  capital: 0.126,
  letter: 0,
  letter5: 0,
  letter8: 0.09,
  letter12: 0.123,
  sameLetter: 0.125,
  sameOtherLetter: 0.4,
  digits: 1,
  spaceBeforeDigits: 1,
  blanks: 0.13,
  longBlank: 0.038,
  tab: 0.869,
  newline: 1,
  newlineAfterMark: 0.293,
  moreNewlines: 0.072,
  mark: 0.944,
  markAfterSpace: 1,
  apostrophe: 0.835,
  markByQuote: 0.056,
  moreMarks: 0.016,
  moreOddMarks: 0.847,
  sameRule: 0.057,
  sameMark: 0.25,
  control: 1,
  latin: 0.897,
  latinExtended: 1,
  vietnamese: 0.165,
  combining: 0,
  greek: 0.466,
  cyrillic: 0.153,
  cyrillicExtended: 1.735,
  cyrillicWord: 0.7,
  cyrillic5: 0.563,
  armenian: 0.412,
  hebrew: 0.493,
  arabic: 0.473,
  indic: 0.494,
  indicRare: 0.833,
  thai: 0.49,
  khmer: 0.56,
  georgian: 0.41,
  kana: 0.7,
  han: 0.899,
  rareHan: 2.875,
  hangul: 0.785,
  rareHangul: 2.88,
  punctuation: 0.534,
  symbol: 1.81,
  sameSymbol: 0.1,
  wideMark: 0.757,
  emoji: 2.065,
  astral: 3.946,
  other2: 1.216,
  other3: 1.835,
  broken: 0.715,
} as const

// What a letter costs after another, in fifteenths of a token: rows are the letter before (the first row: none,
// the letter starts a word), columns the letter, both a–z in either case. Pairs that English, code and the
// other common languages are full of cost nothing; pairs that no vocabulary has joined cost most.
export const PAIR_UNIT = 1 / 15
export const PAIRS = [
  '54365565366666336416463666',
  '90006909698000909000981809',
  '79990999909099399589099909',
  '79093993990079099050399999',
  '09970999599939099686099999',
  '45004079999710900000740009',
  '49962399099090099080099429',
  '97090997699999599339599999',
  '09760999399099199090999999',
  '93001019999540009010939990',
  '99990999999999999909999999',
  '99992997999999989999999999',
  '09900599019097099933089909',
  '06980999799009549989999909',
  '79020009791093329900789979',
  '52009019884800009070090099',
  '09900998999009009000899909',
  '99999999999099999999099999',
  '39930909297300099000999919',
  '99960996099699320701299919',
  '49000990099049409009291909',
  '50000969499900909000999999',
  '29990996099949099999999999',
  '09994990099992099079990999',
  '09999899899999909992999999',
  '79999999999990109959999999',
  '99990999999999999989599999',
] as const

type Feature = keyof typeof WEIGHTS
const NAMES = Object.keys(WEIGHTS) as Feature[]
const at = (name: Feature): number => NAMES.indexOf(name)
const PAIR = NAMES.length - 1 // the count of letter `m` after letter `l`, 1 to 26, is at PAIR + 26 l + m

/** How many counts `countFeatures` fills: one for each of WEIGHTS in its order, then the pairs, row by row. */
export const FEATURES = NAMES.length + 27 * 26

const VALUES = Float64Array.from([
  ...Object.values(WEIGHTS),
  ...Array.from(PAIRS.join(''), (digit) => Number(digit) * PAIR_UNIT),
])

// The classes of characters: these seven; any other character has the index of the feature that counts it.
const LOWER = 0
const UPPER = 1
const DIGIT = 2
const BLANK = 3
const LINE = 4
const MARK = 5
const SURROGATE = 6
const START = 7

const WORD_AFTER_SPACE = at('wordAfterSpace')
const WORD_AFTER_MARK = at('wordAfterMark')
const WORD_AFTER_APOSTROPHE = at('wordAfterApostrophe')
const WORD = at('word')
const HUMP = at('hump')
const CAPITAL = at('capital')
const LETTER = at('letter')
const LETTER_5 = at('letter5')
const LETTER_8 = at('letter8')
const LETTER_12 = at('letter12')
const SAME_LETTER = at('sameLetter')
const SAME_OTHER_LETTER = at('sameOtherLetter')
const DIGITS = at('digits')
const SPACE_BEFORE_DIGITS = at('spaceBeforeDigits')
const BLANKS = at('blanks')
const LONG_BLANK = at('longBlank')
const TAB = at('tab')
const NEWLINE = at('newline')
const NEWLINE_AFTER_MARK = at('newlineAfterMark')
const MORE_NEWLINES = at('moreNewlines')
const FIRST_MARK = at('mark')
const MARK_AFTER_SPACE = at('markAfterSpace')
const APOSTROPHE = at('apostrophe')
const MARK_BY_QUOTE = at('markByQuote')
const MORE_MARKS = at('moreMarks')
const MORE_ODD_MARKS = at('moreOddMarks')
const SAME_RULE = at('sameRule')
const SAME_MARK = at('sameMark')
const LATIN = at('latin')
const LATIN_EXTENDED = at('latinExtended')
const VIETNAMESE = at('vietnamese')
const CYRILLIC = at('cyrillic')
const CYRILLIC_WORD = at('cyrillicWord')
const CYRILLIC_5 = at('cyrillic5')
const PUNCTUATION = at('punctuation')
const SYMBOL = at('symbol')
const SAME_SYMBOL = at('sameSymbol')
const EMOJI = at('emoji')
const ASTRAL = at('astral')
const BROKEN = at('broken')

// biome-ignore format: one range a line
const RANGES: [from: number, to: number, cls: number | Feature][] = [
  [0x0000, 0x07ff, 'other2'],
  [0x0800, 0xffff, 'other3'],
  [0x0000, 0x009f, 'control'],
  [0x0021, 0x007e, MARK],
  [0x0009, 0x0009, BLANK],
  [0x000a, 0x000a, LINE],
  [0x000d, 0x000d, LINE],
  [0x0020, 0x0020, BLANK],
  [0x0030, 0x0039, DIGIT],
  [0x0041, 0x005a, UPPER],
  [0x0061, 0x007a, LOWER],
  [0x00a0, 0x00bf, 'symbol'],
  [0x00c0, 0x00ff, 'latin'],
  [0x0100, 0x024f, 'latinExtended'],
  [0x0300, 0x036f, 'combining'],
  [0x0370, 0x03ff, 'greek'],
  [0x0400, 0x052f, 'cyrillicExtended'],
  [0x0410, 0x044f, 'cyrillic'],
  [0x0531, 0x058f, 'armenian'],
  [0x0590, 0x05ff, 'hebrew'],
  [0x0600, 0x06ff, 'arabic'],
  [0x0900, 0x0dff, 'indic'],
  [0x0a00, 0x0a7f, 'indicRare'],
  [0x0b00, 0x0b7f, 'indicRare'],
  [0x0d80, 0x0dff, 'indicRare'],
  [0x0e00, 0x0e7f, 'thai'],
  [0x1000, 0x109f, 'khmer'],
  [0x10a0, 0x10ff, 'georgian'],
  [0x1780, 0x17ff, 'khmer'],
  [0x1e00, 0x1eff, 'vietnamese'],
  [0x2000, 0x206f, 'punctuation'],
  [0x2070, 0x2bff, 'symbol'],
  [0x3000, 0x303f, 'wideMark'],
  [0x3040, 0x30ff, 'kana'],
  [0x4e00, 0x9fff, 'rareHan'],
  [0xac00, 0xd7a3, 'rareHangul'],
  [0xd800, 0xdfff, SURROGATE],
  [0xfe00, 0xfe0f, 'combining'],
  [0xff00, 0xff65, 'wideMark'],
  [0xfffd, 0xfffd, 'broken'],
]
const CLASS = new Uint8Array(0x10000)
for (const [from, to, cls] of RANGES) {
  CLASS.fill(typeof cls === 'number' ? cls : at(cls), from, to + 1)
}

// The common Chinese characters and Korean syllables cost about a third of the others. They are those that the
// national standards list first, which the platform's decoders know.
// biome-ignore format: one range a line
for (const [label, leads, trails] of [
  ['gbk', [0xb0, 0xd7], [0xa1, 0xfe]],
  ['big5', [0xa4, 0xc6], [0x40, 0x7e]],
  ['big5', [0xa4, 0xc6], [0xa1, 0xfe]],
  ['shift_jis', [0x88, 0x98], [0x40, 0x7e]],
  ['shift_jis', [0x88, 0x98], [0x80, 0xfc]],
  ['euc-kr', [0xb0, 0xc8], [0xa1, 0xfe]],
] as const) {
  const bytes: number[] = []
  for (let lead = leads[0]; lead <= leads[1]; lead++) {
    for (let trail = trails[0]; trail <= trails[1]; trail++) bytes.push(lead, trail)
  }
  for (const char of new TextDecoder(label).decode(Uint8Array.from(bytes))) {
    const c = char.charCodeAt(0)
    if (CLASS[c] === at('rareHan')) CLASS[c] = at('han')
    else if (CLASS[c] === at('rareHangul')) CLASS[c] = at('hangul')
  }
}

function codes(chars: string): Uint8Array {
  const table = new Uint8Array(128)
  for (const char of chars) table[char.charCodeAt(0)] = 1
  return table
}
const RULES = codes('#%*+-./=_~') // marks that people draw lines with: long runs are few tokens
const ODD_MARKS = codes('!#$%&*+<=>?@\\^`|~') // marks that seldom join the mark beside them
const LONG_SAME = codes('aAfFlLoOxX') // letters of which eight alike are one token, not two or four

/** Adds the features of a text to `n`, FEATURES counts. Exported for tools/fit-tokens.mjs. */
export function countFeatures(text: string, n: Int32Array): void {
  let before = START // the class of the character before
  let last = 0 // and its code
  let letter = 0 // its place in the alphabet, if it was one of a–z
  let run = 0 // how far into the word, the group of digits, the blanks or the marks it was
  let alike = 0 // how many letters before it were the same as it
  let attached = false // whether the marks began right after a letter or a digit
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    const cls = CLASS[c]!
    if (cls <= UPPER || cls === LATIN || cls === LATIN_EXTENDED || cls === VIETNAMESE) {
      const inWord = before <= UPPER || before === LATIN || before === LATIN_EXTENDED || before === VIETNAMESE
      if (inWord && !(cls === UPPER && before === LOWER)) {
        run++
        alike = c === last ? alike + 1 : 0
        if (alike > 1) n[LONG_SAME[c & 127] ? SAME_LETTER : SAME_OTHER_LETTER]!++
        else if (cls === UPPER) n[CAPITAL]!++
        else if (run < 5) n[LETTER]!++
        else if (run < 8) n[LETTER_5]!++
        else if (run < 12) n[LETTER_8]!++
        else n[LETTER_12]!++
      } else {
        if (inWord) n[HUMP]!++
        else if (before === BLANK) n[WORD_AFTER_SPACE]!++
        else if (before === MARK && last === 39) n[WORD_AFTER_APOSTROPHE]!++
        else if (before === MARK && run === 1 && attached) n[WORD_AFTER_MARK]!++
        else n[WORD]!++
        run = 1
        alike = letter = 0
      }
      if (cls <= UPPER) {
        const previous = letter
        letter = c & 31
        if (alike < 2 && (previous > 0 || run === 1)) n[PAIR + 26 * previous + letter]!++
      } else {
        n[cls]!++
        letter = 0
      }
    } else if (cls === BLANK) {
      run = before === BLANK ? run + 1 : 1
      if (run === 2) n[BLANKS]!++
      else if (run > 16) n[LONG_BLANK]!++
      if (c === 9 && last !== 9) n[TAB]!++
    } else if (cls === MARK) {
      if (before !== MARK) {
        if (before === BLANK) n[MARK_AFTER_SPACE]!++
        else if (c === 39 && before <= UPPER) n[APOSTROPHE]!++
        else n[FIRST_MARK]!++
        attached = before !== BLANK
        run = 1
      } else {
        run++
        if (c === last) n[RULES[c] ? SAME_RULE : SAME_MARK]!++
        else if (c === 34 || last === 34) n[MARK_BY_QUOTE]!++
        else if (ODD_MARKS[c]! + ODD_MARKS[last]! > 0) n[MORE_ODD_MARKS]!++
        else n[MORE_MARKS]!++
      }
    } else if (cls === DIGIT) {
      if (last === 32 && run === 1) n[SPACE_BEFORE_DIGITS]!++
      if (before !== DIGIT || run === 3) {
        n[DIGITS]!++
        run = 0
      }
      run++
    } else if (cls === LINE) {
      if (before === LINE) n[MORE_NEWLINES]!++
      else if (before === MARK) n[NEWLINE_AFTER_MARK]!++
      else n[NEWLINE]!++
    } else if (cls === SURROGATE) {
      const low = c < 0xdc00 && i + 1 < text.length ? text.charCodeAt(i + 1) : 0
      if (low >= 0xdc00 && low <= 0xdfff) {
        i++
        if (c >= 0xd83c && c <= 0xd83e) n[EMOJI]!++
        else n[ASTRAL]!++
      } else n[BROKEN]!++
    } else if (cls === CYRILLIC) {
      run = before === CYRILLIC ? run + 1 : 1
      n[CYRILLIC]!++
      if (run === 1) n[CYRILLIC_WORD]!++
      else if (run > 4) n[CYRILLIC_5]!++
    } else if (c === last && (cls === SYMBOL || cls === PUNCTUATION)) {
      n[SAME_SYMBOL]!++
    } else {
      n[cls]!++
    }
    before = cls
    last = c
  }
}

const counts = new Int32Array(FEATURES)

/** The o200k_base tokens of a text, estimated in one pass; never more than its UTF-8 bytes. */
export function estimateTokens(text: string): number {
  counts.fill(0)
  countFeatures(text, counts)
  let sum = 0
  for (let i = 0; i < FEATURES; i++) sum += counts[i]! * VALUES[i]!
  return Math.min(Math.ceil(sum - 1e-6), utf8Bytes(text))
}

export function utf8Bytes(text: string): number {
  return Buffer.byteLength(text)
}

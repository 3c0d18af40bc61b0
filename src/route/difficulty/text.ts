/** What a prompt looks like to the difficulty model: hashed words, word pairs and stems, and its structure in numbers. */

const BITS = 15
export const BUCKETS = 1 << BITS
export const STRUCTURE = 64

/** One prompt as numbers; the arrays belong to the scanner and are overwritten by its next scan. */
export type Scan = {
  /** Buckets of known features, each once, `count` of them; before there is a lexicon the hash of every feature. */
  features: Uint32Array
  count: number
  structure: Float32Array
  /** Words met, and how many of them the lexicon holds. */
  words: number
  known: number
}

/** Tools offered with a prompt: how many, and how deep their parameter schemas nest. */
export type Tools = { count: number; depth: number }

/** Longer texts are read at the head and the tail only, so that a decision has a bound in time. */
const HEAD = 1_800
const TAIL = 700

const NONE: Tools = { count: 0, depth: 0 }
const PUNCTUATION = '.,?!:;()[]{}<>=+-*/\\^_$%&|#@`"\'~'
/** A mark beyond this place is rare enough in prose to say something by being there. */
const PROSE_MARKS = 6

const LETTER = 1
const DIGIT = 2
const MARK = 4
const CAPITAL = 8
/** What each UTF-16 unit is, as bits. */
const KIND = new Uint8Array(1 << 16)
KIND.fill(LETTER, 0xc0, 0x2000)
KIND[0xd7] = KIND[0xf7] = 0
KIND.fill(LETTER, 97, 123)
KIND.fill(LETTER | CAPITAL, 65, 91)
KIND.fill(DIGIT, 48, 58)
for (const sign of PUNCTUATION) KIND[sign.charCodeAt(0)] = MARK
const PLACE = Uint8Array.from({ length: 128 }, (_, code) => PUNCTUATION.indexOf(String.fromCharCode(code)) + 1)

const SALT_WORD = 0x51ed270b
const SALT_STEM = 0x2545f491
const SALT_PAIR = 0x68bc21eb

/** Where a feature has its bucket, and the mark that tells it from others of the same bucket; never 0. */
export const bucketOf = (hash: number): number => hash >>> (32 - BITS)
export const markOf = (hash: number): number => (hash & 0xffff) | 1

/** Spreads the bits of a hash; the salt keeps words, stems and pairs apart. */
const mix = (hash: number, salt: number): number => {
  const h = Math.imul(hash ^ salt, 0x2c1b3c6d)
  const g = Math.imul(h ^ (h >>> 15), 0x297a2d39)
  return (g ^ (g >>> 14)) >>> 0
}

/** Places in the tally of a scan. */
const T = {
  whole: 0,
  read: 1,
  words: 2,
  lines: 3,
  blank: 4,
  indented: 5,
  letters: 6,
  long: 7,
  capitals: 8,
  titled: 9,
  shouted: 10,
  digits: 11,
  numbers: 12,
  longest: 13,
  decimals: 14,
  big: 15,
  foreign: 16,
  wide: 17,
  options: 18,
  optionLength: 19,
  optionSquares: 20,
  optionDigits: 21,
  optionLetters: 22,
  stem: 23,
  commands: 24,
  arrows: 25,
  final: 26,
} as const

/** A scanner with its own buffers: one pass, nothing allocated per prompt. `lexicon`: the mark of each bucket's feature. */
export const makeScanner = (lexicon?: Uint16Array) => {
  const bytes = Buffer.alloc(2 * (HEAD + TAIL))
  const codes = new Uint16Array(bytes.buffer, bytes.byteOffset, HEAD + TAIL)
  const stamps = new Uint16Array(BUCKETS)
  const features = new Uint32Array(4 * (HEAD + TAIL))
  const structure = new Float32Array(STRUCTURE)
  const marks = new Float64Array(PUNCTUATION.length + 1)
  const tally = new Float64Array(27)
  const scan: Scan = { features, count: 0, structure, words: 0, known: 0 }
  let stamp = 0

  return (text: string, tools: Tools = NONE): Scan => {
    if (++stamp === 0x10000) {
      stamps.fill(0)
      stamp = 1
    }
    marks.fill(0)
    tally.fill(0)
    const size = copy(text, bytes)
    tally[T.whole] = text.length
    pass(size, { codes, stamps, stamp, marks, tally, scan, lexicon })
    describe(tally, marks, tools, structure)
    return scan
  }
}

/** Copies what will be read of a text, as UTF-16, into a buffer: indexing that is faster than asking the string. */
const copy = (text: string, bytes: Buffer): number => {
  if (text.length <= HEAD + TAIL) return bytes.write(text, 'utf16le') >> 1
  bytes.write(text.slice(0, HEAD), 'utf16le')
  bytes.write(text.slice(-TAIL), 2 * HEAD, 'utf16le')
  return HEAD + TAIL
}

type Bench = {
  codes: Uint16Array
  stamps: Uint16Array
  stamp: number
  marks: Float64Array
  tally: Float64Array
  scan: Scan
  lexicon: Uint16Array | undefined
}

/** Notes a known feature unless this prompt has it already; gives the new count. */
const put = (hash: number, count: number, features: Uint32Array, lexicon: Uint16Array | undefined, stamps: Uint16Array, stamp: number): number => {
  if (lexicon === undefined) {
    features[count] = hash
    return count + 1
  }
  const bucket = hash >>> (32 - BITS)
  if (lexicon[bucket] !== ((hash & 0xffff) | 1) || stamps[bucket] === stamp) return count
  stamps[bucket] = stamp
  features[count] = bucket
  return count + 1
}

/** The one pass. It is long because splitting the loop costs half of its speed. */
const pass = (size: number, { codes, stamps, stamp, marks, tally, scan, lexicon }: Bench): void => {
  const features = scan.features
  let count = 0
  let previous = 7
  let known = 0
  let words = 0
  let letters = 0
  let lineStart = 0
  let inOption = -1
  let i = 0
  let last = 10
  let fresh = true
  while (i < size) {
    const c = codes[i]!
    const kind = KIND[c]!
    if ((kind & LETTER) !== 0) {
      const start = i
      let hash = 0x811c9dc5
      let stem = 0
      let capitals = 0
      let code = c
      let bits = kind
      for (;;) {
        capitals += bits >>> 3
        hash = Math.imul(hash ^ (code | 32), 0x01000193)
        if (i - start === 4) stem = hash
        if (++i >= size) break
        code = codes[i]!
        bits = KIND[code]!
        if ((bits & (LETTER | DIGIT)) === 0) break
      }
      const long = i - start
      words++
      letters += long
      if (long >= 9) tally[T.long]!++
      if (capitals > 0) {
        tally[T.capitals]! += capitals
        if (capitals > 1) tally[T.shouted]!++
        else tally[T.titled]!++
      }
      if (last === 92) tally[T.commands]!++
      if (inOption >= 0) tally[T.optionLetters]! += long
      if (long > 5) count = put(mix(stem, SALT_STEM), count, features, lexicon, stamps, stamp)
      const word = mix(hash, SALT_WORD)
      if (lexicon !== undefined && lexicon[word >>> (32 - BITS)] === ((word & 0xffff) | 1)) known++
      count = put(word, count, features, lexicon, stamps, stamp)
      count = put(mix(Math.imul(previous, 31) + hash, SALT_PAIR), count, features, lexicon, stamps, stamp)
      previous = hash
      if (fresh) {
        fresh = false
        if (start - lineStart >= 2) tally[T.indented]!++
        const next = long === 1 && i < size ? codes[i]! : 0
        if (next === 46 || next === 41) {
          // A line that starts with one letter and a full stop or a bracket offers a choice.
          if (tally[T.options]!++ === 0) tally[T.stem] = start + 1
          inOption = i
        }
      }
      last = code
      continue
    }
    if (kind === DIGIT) {
      const start = i
      let hash = 0
      let code = c
      for (;;) {
        hash = Math.imul(hash ^ code, 0x01000193)
        if (++i >= size) break
        code = codes[i]!
        if (code < 48 || code > 57) break
      }
      const long = i - start
      tally[T.digits]! += long
      tally[T.numbers]!++
      if (long > tally[T.longest]!) tally[T.longest] = long
      if (long >= 4) tally[T.big]!++
      if (last === 46) tally[T.decimals]!++
      if (inOption >= 0) tally[T.optionDigits]! += long
      const token = long <= 2 ? hash + 977 : 0x3504f333 + (long > 6 ? 6 : long)
      count = put(mix(token, SALT_WORD), count, features, lexicon, stamps, stamp)
      count = put(mix(Math.imul(previous, 31) + token, SALT_PAIR), count, features, lexicon, stamps, stamp)
      previous = token
      fresh = false
      last = 48
      continue
    }
    if (c === 10) {
      tally[T.lines]!++
      if (fresh) tally[T.blank]!++
      if (inOption >= 0) {
        tally[T.optionLength]! += i - inOption
        tally[T.optionSquares]! += (i - inOption) * (i - inOption)
        inOption = -1
      }
      fresh = true
      lineStart = i + 1
    } else if (kind === MARK) {
      const place = PLACE[c]!
      marks[place]!++
      if (place > PROSE_MARKS) count = put(mix(c, SALT_STEM), count, features, lexicon, stamps, stamp)
      if (c === 62 && (last === 45 || last === 61)) tally[T.arrows]!++
      if (fresh) {
        fresh = false
        if (i - lineStart >= 2) tally[T.indented]!++
      }
    } else if (c > 127) {
      // Signs beyond the alphabets: in Chinese, Japanese and Korean each is a word of its own.
      if (c >= 0x2e80) tally[T.wide]!++
      else tally[T.foreign]!++
      const token = Math.imul(c, 0x9e3779b1)
      const sign = mix(token, SALT_WORD)
      words++
      if (lexicon !== undefined && lexicon[sign >>> (32 - BITS)] === ((sign & 0xffff) | 1)) known++
      count = put(sign, count, features, lexicon, stamps, stamp)
      count = put(mix(Math.imul(previous, 31) + token, SALT_PAIR), count, features, lexicon, stamps, stamp)
      previous = token
      fresh = false
    }
    if (c > 32) last = c
    i++
  }
  if (inOption >= 0) {
    tally[T.optionLength]! += i - inOption
    tally[T.optionSquares]! += (i - inOption) * (i - inOption)
  }
  tally[T.read] = size
  tally[T.words] = words
  tally[T.letters] = letters
  tally[T.final] = last
  scan.count = count
  scan.words = words
  scan.known = known
}

/** The structure numbers of a tally: logarithms of counts, and shares. */
const describe = (t: Float64Array, marks: Float64Array, tools: Tools, s: Float32Array): void => {
  const words = t[T.words]!
  const per = 1 / (t[T.read]! + 20)
  const options = t[T.options]!
  const mean = options > 0 ? t[T.optionLength]! / options : 0
  const spread = options > 0 ? Math.sqrt(Math.max(0, t[T.optionSquares]! / options - mean * mean)) : 0
  s[0] = Math.log1p(t[T.whole]!)
  s[1] = Math.log1p(words)
  s[2] = Math.log1p(t[T.lines]!)
  s[3] = Math.log1p(t[T.blank]!)
  s[4] = Math.log1p(t[T.indented]!)
  s[5] = t[T.letters]! / (words + 1)
  s[6] = t[T.long]! / (words + 3)
  s[7] = t[T.capitals]! / (t[T.letters]! + 10)
  s[8] = t[T.titled]! / (words + 3)
  s[9] = t[T.shouted]! / (words + 3)
  s[10] = t[T.digits]! * per
  s[11] = Math.log1p(t[T.numbers]!)
  s[12] = Math.log1p(t[T.longest]!)
  s[13] = Math.log1p(t[T.decimals]!)
  s[14] = Math.log1p(t[T.big]!)
  s[15] = t[T.foreign]! * per
  s[16] = t[T.wide]! * per
  s[17] = Math.log1p(options)
  s[18] = options > 0 ? 1 : 0
  s[19] = Math.log1p(mean)
  s[20] = spread / (mean + 5)
  s[21] = t[T.optionDigits]! / (t[T.optionDigits]! + t[T.optionLetters]! + 3)
  s[22] = Math.log1p(options > 0 ? t[T.stem]! : t[T.whole]!)
  s[23] = Math.log1p(t[T.commands]!)
  s[24] = Math.log1p(t[T.arrows]!)
  s[25] = t[T.final] === 63 ? 1 : 0
  s[26] = t[T.final] === 46 ? 1 : 0
  s[27] = t[T.final] === 58 ? 1 : 0
  s[28] = t[T.optionLetters]! / (t[T.letters]! + 10)
  s[29] = Math.log1p(tools.count)
  s[30] = Math.log1p(tools.depth)
  s[31] = t[T.whole]! > 0 ? 0 : 1
  for (let i = 1; i < marks.length; i++) s[31 + i] = Math.log1p(marks[i]!)
}

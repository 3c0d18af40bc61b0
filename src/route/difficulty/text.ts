/** What a prompt looks like to the difficulty model: hashed words, word pairs and stems, and its structure in numbers. */
import { BUCKETS, bucketOf, markOf, mix, SALT_PAIR, SALT_STEM, SALT_WORD } from './hash.ts'
import { describe, PUNCTUATION, STRUCTURE, T, TALLIES, type Tools } from './structure.ts'

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

/** Longer texts are read at the head and the tail only, so that a decision has a bound in time. */
const HEAD = 1_800
const TAIL = 700

const NONE: Tools = { count: 0, depth: 0 }
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
const PLACE = new Uint8Array(128)
for (const [place, sign] of [...PUNCTUATION].entries()) PLACE[sign.charCodeAt(0)] = place + 1

/** A scanner with its own buffers: one pass, nothing allocated per prompt. `lexicon`: the mark of each bucket's feature. */
export const makeScanner = (lexicon?: Uint16Array) => {
  const bytes = Buffer.alloc(2 * (HEAD + TAIL))
  const codes = new Uint16Array(bytes.buffer, bytes.byteOffset, HEAD + TAIL)
  const stamps = new Uint16Array(BUCKETS)
  const features = new Uint32Array(4 * (HEAD + TAIL))
  const structure = new Float32Array(STRUCTURE)
  const marks = new Float64Array(PUNCTUATION.length + 1)
  const tally = new Float64Array(TALLIES)
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
const put = (
  hash: number,
  count: number,
  features: Uint32Array,
  lexicon: Uint16Array | undefined,
  stamps: Uint16Array,
  stamp: number,
): number => {
  if (lexicon === undefined) {
    features[count] = hash
    return count + 1
  }
  const bucket = bucketOf(hash)
  if (lexicon[bucket] !== markOf(hash) || stamps[bucket] === stamp) return count
  stamps[bucket] = stamp
  features[count] = bucket
  return count + 1
}

const holds = (lexicon: Uint16Array | undefined, hash: number): boolean =>
  lexicon !== undefined && lexicon[bucketOf(hash)] === markOf(hash)

const closeOption = (tally: Float64Array, length: number): void => {
  tally[T.optionLength]! += length
  tally[T.optionSquares]! += length * length
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
      if (holds(lexicon, word)) known++
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
      const token = long <= 2 ? hash + 977 : 0x3504f333 + Math.min(long, 6)
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
      if (inOption >= 0) closeOption(tally, i - inOption)
      inOption = -1
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
      if (holds(lexicon, sign)) known++
      count = put(sign, count, features, lexicon, stamps, stamp)
      count = put(mix(Math.imul(previous, 31) + token, SALT_PAIR), count, features, lexicon, stamps, stamp)
      previous = token
      fresh = false
    }
    if (c > 32) last = c
    i++
  }
  if (inOption >= 0) closeOption(tally, i - inOption)
  tally[T.read] = size
  tally[T.words] = words
  tally[T.letters] = letters
  tally[T.final] = last
  scan.count = count
  scan.words = words
  scan.known = known
}

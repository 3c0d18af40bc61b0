/** The structure of a prompt in numbers: what was counted while reading it, as logarithms and shares. */

export const STRUCTURE = 64

export const PUNCTUATION = '.,?!:;()[]{}<>=+-*/\\^_$%&|#@`"\'~'

/** Tools offered with a prompt: how many, and how deep their parameter schemas nest. */
export type Tools = { count: number; depth: number }

/** Places in the tally of a scan. */
export const T = {
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
export const TALLIES = 27

/** The structure numbers of a tally: logarithms of counts, and shares. */
export const describe = (t: Float64Array, marks: Float64Array, tools: Tools, s: Float32Array): void => {
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

/** A stream of choices that a seed and an index decide, so that any one input can be made again without those before it. */
export type Random = {
  /** From 0 up to but without 1. */
  next: () => number
  /** A whole number from 0 up to but without `below`. */
  int: (below: number) => number
  chance: (share: number) => boolean
  pick: <T>(list: readonly T[]) => T
  /** One of the rows, each as often as its share says. */
  weighted: <T extends { share: number }>(rows: readonly T[]) => T
  bytes: (count: number) => Buffer
}

/** Mulberry32, begun far apart for seeds and indexes that follow each other. */
export const randomOf = (seed: number, index = 0): Random => {
  let state = mix(mix(seed ^ 0x9e3779b9) ^ mix(index + 0x85ebca6b))
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const int = (below: number): number => Math.floor(next() * below)
  return {
    next,
    int,
    chance: (share) => next() < share,
    pick: (list) => {
      if (list.length === 0) throw new Error('nothing to pick from')
      return list[int(list.length)]!
    },
    weighted: (rows) => {
      let left = next() * rows.reduce((sum, { share }) => sum + share, 0)
      for (const row of rows) {
        left -= row.share
        if (left < 0) return row
      }
      return rows.at(-1)!
    },
    bytes: (count) => Buffer.from(Array.from({ length: count }, () => int(256))),
  }
}

const mix = (value: number): number => {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x21f0aaad)
  h = Math.imul(h ^ (h >>> 15), 0x735a2d97)
  return h ^ (h >>> 15)
}

/** Hashed features: each has a bucket, and a mark that tells it from the others of its bucket. */

const BITS = 15
export const BUCKETS = 1 << BITS

export const SALT_WORD = 0x51ed270b
export const SALT_STEM = 0x2545f491
export const SALT_PAIR = 0x68bc21eb

/** Where a feature has its bucket, and the mark that tells it from others of the same bucket; never 0. */
export const bucketOf = (hash: number): number => hash >>> (32 - BITS)
export const markOf = (hash: number): number => (hash & 0xffff) | 1

/** Spreads the bits of a hash; the salt keeps words, stems and pairs apart. */
export const mix = (hash: number, salt: number): number => {
  const h = Math.imul(hash ^ salt, 0x2c1b3c6d)
  const g = Math.imul(h ^ (h >>> 15), 0x297a2d39)
  return (g ^ (g >>> 14)) >>> 0
}

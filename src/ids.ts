import { randomBytes } from 'node:crypto'

export type CallId = `call_${string}`

/** A new call id: 128 random bits, so that knowing one is permission enough to read that call's status and receipt. */
export const newCallId = (): CallId => `call_${randomId()}`

/** A new errand id; what may be told of an errand is told to who knows it. */
export const newErrandId = (): `errand_${string}` => `errand_${randomId()}`

/** 128 random bits, base64url. */
export const randomId = (): string => {
  if (cursor + 16 > pool.length) {
    pool = randomBytes(4096)
    cursor = 0
  }
  cursor += 16
  return pool.toString('base64url', cursor - 16, cursor)
}

// One system call for 256 ids instead of one each: this runs on every quote.
let pool = Buffer.alloc(0)
let cursor = 0

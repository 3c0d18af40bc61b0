/** The next nonces of one settler key. One process at a time may own a key. */
export type Nonces = {
  take: () => number
  /** Returns a nonce whose transaction was never stored; the next `take` gets it. */
  giveBack: (nonce: number) => void
  /** The chain or the ledger has used every nonce below `nonce`. */
  atLeast: (nonce: number) => void
  /** Nonces that were given back and that transactions with higher ones wait behind; each is returned once. */
  gaps: (mined: number) => number[]
}

export const createNonces = (): Nonces => {
  let next = 0
  let free: number[] = []
  return {
    take: () => free.shift() ?? next++,
    giveBack: (nonce) => {
      free = [...free, nonce].toSorted((a, b) => a - b)
    },
    atLeast: (nonce) => {
      next = Math.max(next, nonce)
      free = free.filter((one) => one >= nonce)
    },
    gaps: (mined) => {
      const waited = free.filter((one) => one === mined && one < next - 1)
      free = free.filter((one) => !waited.includes(one))
      return waited
    },
  }
}

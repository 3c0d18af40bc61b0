/** Passwords of people who sign in to the desk: kept as scrypt, compared in constant time, a few at a time. */
import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { fail } from '../errors.ts'

/** A password that may be set. Longer ones than 200 characters would only cost time. */
export const newPassword = z
  .string()
  .min(12, 'must have at least 12 characters')
  .max(200, 'must have at most 200 characters')
  .refine((text) => new Set(text).size > 4, 'must have more different characters')

/** Of scrypt: N is 2^logN. Source: OWASP password storage, RFC 7914. */
export type Cost = { logN: number; r: number; p: number }
const COST: Cost = { logN: 15, r: 8, p: 1 }

export type Passwords = {
  /** As it is kept: parameters, salt and hash. */
  hash: (password: string) => Promise<string>
  /** Takes as long for a password that is not kept (`undefined`). Refuses with `rate_limited` when too many wait. */
  verify: (password: string, kept: string | undefined) => Promise<boolean>
  /** It was kept with less work than is done now. */
  isOld: (kept: string) => boolean
}

/** At once, 32 MB each and a core; and how many may wait for that. */
const AT_ONCE = 2
const WAITING = 20

/** Hashes and compares passwords. */
export const createPasswords = ({
  cost = COST,
  waiting = WAITING,
}: {
  cost?: Cost
  waiting?: number
} = {}): Passwords => {
  const turn = createTurns(waiting)
  const derive = (password: string, salt: Buffer, given: Cost) =>
    turn(() => scrypted(password.normalize('NFKC'), salt, given))
  // Nobody's: what is compared with it is always wrong.
  const nobody = { cost, salt: randomBytes(SALT), hash: randomBytes(HASH) }
  return {
    hash: async (password) => {
      const salt = randomBytes(SALT)
      return written({ cost, salt, hash: await derive(password, salt, cost) })
    },
    verify: async (password, kept) => {
      const known = kept === undefined ? undefined : read(kept)
      const { cost: given, salt, hash } = known ?? nobody
      const right = timingSafeEqual(await derive(password, salt, given), hash)
      return known !== undefined && right
    },
    isOld: (kept) => {
      const { cost: given } = read(kept) ?? { cost: { logN: 0, r: 0, p: 0 } }
      return given.logN < cost.logN || given.r < cost.r || given.p < cost.p
    },
  }
}

/** Whether two texts are the same; takes as long wherever they differ. */
export const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b))

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

const SALT = 16
const HASH = 32
type Kept = { cost: Cost; salt: Buffer; hash: Buffer }

const scrypted = (password: string, salt: Buffer, { logN, r, p }: Cost): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const N = 2 ** logN
    scrypt(password, salt, HASH, { N, r, p, maxmem: 256 * N * r }, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })

const written = ({ cost: { logN, r, p }, salt, hash }: Kept): string =>
  `$scrypt$ln=${logN},r=${r},p=${p}$${salt.toString('base64url')}$${hash.toString('base64url')}`

const FORM = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([\w-]{22})\$([\w-]{43})$/

const read = (kept: string): Kept | undefined => {
  const [, logN, r, p, salt = '', hash = ''] = FORM.exec(kept) ?? []
  if (logN === undefined || Number(logN) > 20) return undefined
  return {
    cost: { logN: Number(logN), r: Number(r), p: Number(p) },
    salt: Buffer.from(salt, 'base64url'),
    hash: Buffer.from(hash, 'base64url'),
  }
}

/** Lets a few run at once, and some wait. */
const createTurns = (waiting: number) => {
  let running = 0
  const queue: (() => void)[] = []
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= AT_ONCE) {
      if (queue.length >= waiting) throw fail('rate_limited', BUSY)
      await new Promise<void>((resolve) => queue.push(resolve))
    } else running++
    try {
      return await work()
    } finally {
      // Whoever is next takes over the place.
      const next = queue.shift()
      if (next) next()
      else running--
    }
  }
}

const BUSY = { by: 'network', retryAfter: 2, policy: '"sign-in";q=2;w=1', limit: '"sign-in";r=0;t=2' }

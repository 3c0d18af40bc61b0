/** Bearer keys: made once, shown once, and kept as a hash. */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto'

/** `fbx_`, eight characters by which it is found, `_`, and 256 random bits. */
const FORM = /^fbx_[A-Za-z0-9]{8}_[A-Za-z0-9_-]{43}$/
const FIND = 'fbx_xxxxxxxx'.length

export type Bearer = { secret: string; prefix: string; hash: string }

/** A new bearer key; only `prefix` and `hash` are to be kept. */
export const newBearer = (): Bearer => {
  const find = Array.from(randomBytes(8), (byte) => ALPHABET[byte % ALPHABET.length]).join('')
  const secret = `fbx_${find}_${randomBytes(32).toString('base64url')}`
  return { secret, prefix: prefixOf(secret), hash: hashOf(secret) }
}

const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789'

/** Ours by its looks. What else stands in an Authorization header (SDKs insist on something) is nobody's business. */
export const isBearer = (text: string): boolean => text.startsWith('fbx_')
export const isWellFormed = (text: string): boolean => FORM.test(text)

/** The part that may be shown. */
export const prefixOf = (secret: string): string => secret.slice(0, FIND)
export const hashOf = (secret: string): string => hash('sha256', `farebox key v1\n${secret}`, 'hex')

/** Whether a secret has this hash; takes as long whatever they are. */
export const isHashOf = (stored: string, secret: string): boolean => {
  const given = Buffer.from(hashOf(secret), 'hex')
  const wanted = Buffer.from(stored, 'hex')
  return wanted.length === given.length && timingSafeEqual(wanted, given)
}

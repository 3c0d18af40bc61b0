import { createRequire } from 'node:module'
import { recoverAddress, serializeSignature } from 'viem'
import { privateKeyToAddress, sign as viemSign } from 'viem/accounts'
import type { Hex } from '../assets.ts'
import { keccak } from './keccak.ts'

/** secp256k1, native where it loads (60–80 µs a signature) and viem's own code elsewhere. Both give the same bytes. */
export type Curve = {
  /** The address that signed `digest` with a canonical 65-byte signature (low s, v 27 or 28); undefined when there is none. */
  recover: (digest: Uint8Array, signature: Hex) => Promise<Hex | undefined> | Hex | undefined
  /** Signs a digest: r, s and the parity of y. Deterministic (RFC 6979), low s. */
  sign: (digest: Uint8Array, key: Uint8Array) => Promise<RawSignature> | RawSignature
}

export type RawSignature = { rs: Uint8Array; parity: 0 | 1 }

type Native = {
  ecdsaRecover: (
    signature: Uint8Array,
    recovery: number,
    digest: Uint8Array,
    compressed: boolean,
  ) => Uint8Array
  ecdsaSign: (digest: Uint8Array, key: Uint8Array) => { signature: Uint8Array; recid: number }
}

// The upper half of the curve's order holds a second spelling of every signature: tokens refuse it, and so do we.
const HALF_ORDER = Buffer.from('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0', 'hex')

const isCanonical = (bytes: Uint8Array): boolean =>
  bytes.length === 65 &&
  (bytes[64] === 27 || bytes[64] === 28) &&
  Buffer.compare(bytes.subarray(32, 64), HALF_ORDER) <= 0

/** The fallback, and the truth that the native path is tested against. */
export const viemCurve: Curve = {
  recover: async (digest, signature) => {
    if (!isCanonical(fromHex(signature))) return undefined
    try {
      return (await recoverAddress({ hash: toHex(digest), signature })).toLowerCase() as Hex
    } catch {
      return undefined
    }
  },
  sign: async (digest, key) => {
    const made = await viemSign({ hash: toHex(digest), privateKey: toHex(key) })
    const bytes = fromHex(serializeSignature(made))
    return { rs: bytes.subarray(0, 64), parity: made.yParity === 1 ? 1 : 0 }
  },
}

/** libsecp256k1 through the `secp256k1` package; undefined where its native build does not load. */
export const nativeCurve = (): Curve | undefined => {
  const native = load()
  if (!native) return undefined
  return {
    recover: (digest, signature) => {
      const bytes = fromHex(signature)
      if (!isCanonical(bytes)) return undefined
      try {
        const key = native.ecdsaRecover(bytes.subarray(0, 64), bytes[64]! - 27, digest, false)
        return toHex(keccak(key.subarray(1)).subarray(12))
      } catch {
        return undefined
      }
    },
    sign: (digest, key) => {
      const { signature, recid } = native.ecdsaSign(digest, key)
      return { rs: signature, parity: recid === 1 ? 1 : 0 }
    },
  }
}

const load = (): Native | undefined => {
  try {
    // `bindings` is the native build; the package's own fallback is plain JavaScript and slower than viem's.
    return createRequire(import.meta.url)('secp256k1/bindings.js') as Native
  } catch {
    return undefined
  }
}

export const curve: Curve = nativeCurve() ?? viemCurve

/** Signs a digest as Ethereum clients expect it: r ‖ s ‖ v with v 27 or 28. */
export const signDigest = async (digest: Uint8Array, key: Uint8Array): Promise<Hex> => {
  const { rs, parity } = await curve.sign(digest, key)
  return `${toHex(rs)}${parity === 1 ? '1c' : '1b'}`
}

/** The lower-case address of a private key. */
export const addressOf = (key: Uint8Array): Hex => privateKeyToAddress(toHex(key)).toLowerCase() as Hex

export const toHex = (bytes: Uint8Array): Hex =>
  `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`
export const fromHex = (hex: string): Uint8Array => Buffer.from(hex.slice(2), 'hex')

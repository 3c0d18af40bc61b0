import fc from 'fast-check'
import type { Hex } from '../../src/assets.ts'
import { toHex } from '../../src/chain/signatures.ts'
import type { ChannelConfig } from '../../src/wire/contracts.ts'

/** Random values of the types that contracts take. */
export const hex = (bytes: number): fc.Arbitrary<Hex> =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map(toHex)
export const anyBytes = fc.uint8Array({ maxLength: 200 }).map(toHex)
export const uint = (bits: number) => fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) - 1n })
export const chainIds = fc.integer({ min: 1, max: 2 ** 40 })

/** A 65-byte signature in form; nobody signed it. */
export const signatures = fc.tuple(hex(64), fc.constantFrom('1b', '1c')).map(([rs, v]): Hex => `${rs}${v}`)

export const terms = {
  token: hex(20),
  from: hex(20),
  to: hex(20),
  value: uint(256),
  validAfter: uint(256),
  validBefore: uint(256),
  nonce: hex(32),
  signature: anyBytes,
  facilitator: hex(20),
  amount: uint(256),
}

export const permits = fc.record({ value: uint(256), deadline: uint(256), signature: signatures })

export const configs: fc.Arbitrary<ChannelConfig> = fc.record({
  payer: hex(20),
  payerAuthorizer: hex(20),
  receiver: hex(20),
  receiverAuthorizer: hex(20),
  token: hex(20),
  withdrawDelay: fc.integer({ min: 0, max: 2 ** 40 - 1 }),
  salt: hex(32),
})

/**
 * accounts/: who may see and take what belongs to a payer. A payer signs in with the key it pays with: a message of
 * EIP-4361 in the header of the x402 extension sign-in-with-x. Only plain accounts can, and no chain is asked.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { ChainId, Hex } from '../assets.ts'
import { keccak } from '../chain/keccak.ts'
import { curve } from '../chain/signatures.ts'
import type { Clock } from '../clock.ts'
import { fail } from '../errors.ts'
import type { Tally } from '../store/tally.ts'
import { decodeHeaderJson } from '../wire/json.ts'
import { CHALLENGE_SCHEMA, messageOf, type SignedMessage, signedMessage } from './message.ts'

export const SIGN_IN_HEADER = 'SIGN-IN-WITH-X'

/** Who signed, for which chain, and the nonce: the one thing that a sign-in may be used for once. */
export type SignedIn = { payer: Hex; chain: ChainId; nonce: string }

export type SignIn = {
  /** What a 401 declares under `extensions`: the message to be signed for a path, with a fresh nonce. Nothing is stored for it. */
  challenge: (path: string) => Record<string, unknown>
  /** Reads the header and checks all that can be said without knowing what was used before. Refuses with `sign_in_required` or `sign_in_invalid`. */
  read: (header: string | undefined, path: string) => Promise<SignedIn>
  /** Uses a sign-in up: refuses the second time, and every nonce that is older than what is remembered. */
  once: (signed: SignedIn) => Promise<void>
}

export type SignInFacts = {
  /** The first makes nonces, all are accepted. */
  secrets: readonly string[]
  publicUrl: string
  chains: readonly ChainId[]
  clock: Clock
  /** What was used. */
  tally: Tally
}

const VALID_MS = 300_000
const STATEMENT = 'Sign in to see your account with this router.'

/** Signs payers in. Nonces are sealed with an HMAC and remember themselves when they were made. */
export const createSignIn = (facts: SignInFacts): SignIn => {
  const { chains, clock, tally } = facts
  const base = facts.publicUrl.replace(/\/+$/, '')
  const domain = new URL(base).host

  const seal = (secret: string, body: string): string =>
    createHmac('sha256', secret).update(`farebox sign-in v1\n${domain}\n${body}`).digest('hex').slice(0, 32)

  /** When we made this nonce, ms; undefined for any other text. */
  const madeAt = (nonce: string): number | undefined => {
    if (!/^[0-9a-f]{56}$/.test(nonce)) return undefined
    const body = nonce.slice(0, 24)
    const given = Buffer.from(nonce.slice(24))
    const ours = facts.secrets.some((secret) => timingSafeEqual(given, Buffer.from(seal(secret, body))))
    return ours ? Number.parseInt(nonce.slice(0, 12), 16) : undefined
  }

  return {
    challenge: (path) => {
      const now = clock.now()
      const body = `${now.toString(16).padStart(12, '0')}${randomBytes(6).toString('hex')}`
      const uri = `${base}${path}`
      return {
        'sign-in-with-x': {
          info: {
            domain,
            uri,
            statement: STATEMENT,
            version: '1',
            nonce: `${body}${seal(facts.secrets[0]!, body)}`,
            issuedAt: isoOf(now),
            expirationTime: isoOf(now + VALID_MS),
            resources: [uri],
          },
          supportedChains: chains.map((chainId) => ({ chainId, type: 'eip191' })),
          schema: CHALLENGE_SCHEMA,
        },
      }
    },
    read: async (header, path) => {
      if (header === undefined) throw fail('sign_in_required')
      const said = parse(header)
      const made = madeAt(said.nonce)
      const wrong = (problem: string) => fail('sign_in_invalid', { problem })
      if (said.domain !== domain) throw wrong(`the domain must be ${domain}`)
      if (said.uri !== `${base}${path}`) throw wrong(`the uri must be ${base}${path}`)
      if (!chains.some((chain) => chain === said.chainId))
        throw wrong('the chain is not one of supportedChains')
      if (made === undefined) throw wrong('the nonce is not one of ours')
      if (clock.now() >= made + VALID_MS || said.expirationTime !== isoOf(made + VALID_MS))
        throw wrong('it has expired')
      if (said.issuedAt !== isoOf(made)) throw wrong('issuedAt is not that of the challenge')
      const signer = await curve.recover(personalDigest(messageOf(said)), said.signature)
      if (signer !== said.address.toLowerCase()) throw wrong('the signature is not that of the address')
      return { payer: signer as Hex, chain: said.chainId as ChainId, nonce: said.nonce }
    },
    once: async ({ nonce }) => {
      // What was used before is not remembered for ever: older nonces are not taken at all.
      const known = (madeAt(nonce) ?? 0) >= tally.since
      if (!known || !(await tally.take(`sign-in ${nonce}`, 1, VALID_MS)))
        throw fail('sign_in_invalid', { problem: 'it was used before' })
    },
  }
}

const parse = (header: string): SignedMessage => {
  const parsed = signedMessage.safeParse(decodeHeaderJson(header))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw fail('sign_in_invalid', { problem: `${issue?.path.join('.') || 'header'}: ${issue?.message}` })
}

const isoOf = (ms: number): string => new Date(ms).toISOString()

/** What wallets sign as `personal_sign`. Source: EIP-191, version 0x45. */
export const personalDigest = (message: string): Uint8Array => {
  const bytes = Buffer.from(message, 'utf8')
  return keccak(Buffer.concat([Buffer.from(`\x19Ethereum Signed Message:\n${bytes.length}`), bytes]))
}

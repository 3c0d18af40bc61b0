import { createSIWxMessage, verifySIWxSignature } from '@x402/extensions/sign-in-with-x'
import fc from 'fast-check'
import { hashMessage } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { expect, test } from 'vitest'
import { messageOf } from '../../src/accounts/message.ts'
import { createSignIn, personalDigest } from '../../src/accounts/sign-in.ts'
import type { Deps } from '../../src/call/deps.ts'
import { toHex } from '../../src/chain/signatures.ts'
import { Refusal } from '../../src/errors.ts'
import { accountResources } from '../../src/http/account.ts'
import { createApp } from '../../src/http/app.ts'
import { quietLog } from '../../src/log.ts'
import type { Wish } from '../../src/payment/payout.ts'
import { memoryTally } from '../../src/store/tally.ts'
import { encodeHeaderJson } from '../../src/wire/json.ts'

const SECRET = 'a-quote-secret-that-is-long-enough-for-tests'
const account = privateKeyToAccount(generatePrivateKey())

const doorOf = (more: Partial<Parameters<typeof createSignIn>[0]> & { at?: () => number } = {}) => {
  const clock = { now: more.at ?? Date.now, sleep: async () => {} }
  return createSignIn({
    secrets: [SECRET],
    publicUrl: 'https://router.example.com',
    chains: ['eip155:8453', 'eip155:1'],
    clock,
    tally: memoryTally({ clock }),
    ...more,
  })
}
type Door = ReturnType<typeof doorOf>

/** Signs a challenge of a door; `change` alters the message before it is signed. */
const sign = async (door: Door, path = '/v1/account', change: object = {}) => {
  const { info, supportedChains } = door.challenge(path)['sign-in-with-x'] as {
    info: Record<string, string>
    supportedChains: { chainId: string; type: string }[]
  }
  const message: Record<string, string> = { ...info, ...supportedChains[0]!, ...change }
  const text = createSIWxMessage(message as never, account.address)
  const signature = await account.signMessage({ message: text })
  return { ...message, nonce: message['nonce']!, address: account.address, signature }
}
const problemOf = async (act: () => unknown): Promise<string> => {
  try {
    await act()
    return 'accepted'
  } catch (error) {
    if (error instanceof Refusal) return String(error.details['problem'] ?? error.code)
    throw error
  }
}
const enter = async (door: Door, header: object, path = '/v1/account') => {
  await door.once(await door.read(encodeHeaderJson(header), path))
}

test('the message that is checked is the one that official clients sign', async () => {
  const door = doorOf()
  const said = await sign(door)
  expect(messageOf(said as never)).toBe(createSIWxMessage(said as never, account.address))
  expect((await verifySIWxSignature(said as never)).isValid).toBe(true)
  expect(await door.read(encodeHeaderJson(said), '/v1/account')).toMatchObject({
    payer: account.address.toLowerCase(),
    chain: 'eip155:8453',
  })
})

test('a message is hashed as wallets do it', () =>
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(toHex(personalDigest(text))).toBe(hashMessage(text))
    }),
  ))

test('no two challenges are the same', () => {
  const door = doorOf({ at: () => 1_700_000_000_000 })
  const nonces = Array.from(
    { length: 1_000 },
    () => (door.challenge('/v1/account')['sign-in-with-x'] as { info: { nonce: string } }).info.nonce,
  )
  expect(new Set(nonces).size).toBe(1_000)
})

test('a sign-in is good once, for five minutes, at the door it was made for', async () => {
  let now = 1_700_000_000_000
  const door = doorOf({ at: () => now })
  const first = await sign(door)
  expect(await problemOf(() => enter(door, first))).toBe('accepted')
  expect(await problemOf(() => enter(door, first))).toBe('it was used before')
  const late = await sign(door)
  const latest = await sign(door)
  now += 299_999
  expect(await problemOf(() => enter(door, late))).toBe('accepted')
  now += 1
  expect(await problemOf(() => enter(door, latest))).toBe('it has expired')
})

test('a sign-in of an earlier process is not taken again, nor one of another router or secret', async () => {
  let now = 1_700_000_000_000
  const before = doorOf({ at: () => now })
  const made = await sign(before)
  now += 1_000
  expect(await problemOf(() => enter(doorOf({ at: () => now }), made))).toBe('it was used before')
  const elsewhere = doorOf({ publicUrl: 'https://another.example.com' })
  expect(await problemOf(async () => enter(elsewhere, await sign(doorOf())))).toMatch(/^the domain must be/)
  const moved = { domain: 'another.example.com', uri: 'https://another.example.com/v1/account' }
  expect(await problemOf(async () => enter(elsewhere, await sign(doorOf(), '/v1/account', moved)))).toBe(
    'the nonce is not one of ours',
  )
  const other = doorOf({ secrets: ['another-secret-that-is-long-enough-for-tests'] })
  expect(await problemOf(async () => enter(doorOf(), await sign(other)))).toBe('the nonce is not one of ours')
})

test('a secret can be changed without turning anybody away', async () => {
  const made = doorOf()
  const said = await sign(made)
  const rotated = doorOf({
    secrets: ['another-secret-that-is-long-enough-for-tests', SECRET],
    at: () => Date.now() - 60_000,
  })
  expect(await problemOf(() => enter(rotated, said))).toBe('accepted')
})

test('what is not signed, or is signed as something else, is refused', async () => {
  const door = doorOf()
  const said = await sign(door)
  const cases: [object, RegExp][] = [
    [{ statement: 'Give me everything.' }, /signature is not that/],
    [{ resources: undefined }, /signature is not that/],
    [{ address: `0x${'1a'.repeat(20)}` }, /signature is not that/],
    [{ uri: 'https://router.example.com/v1/account/payout' }, /uri must be/],
    [{ chainId: 'eip155:137' }, /chain is not one/],
    [{ nonce: `${'0'.repeat(24)}${said.nonce.slice(24)}` }, /nonce is not one of ours/],
    [{ signature: `${said.signature.slice(0, -2)}00` }, /signature is not that/],
    [{ statement: 'a\nURI: b' }, /statement/],
    [{ type: 'ed25519' }, /type/],
    [{ notBefore: new Date().toISOString() }, /notBefore/],
  ]
  for (const [change, problem] of cases)
    expect(await problemOf(() => enter(door, { ...said, ...change })), JSON.stringify(change)).toMatch(
      problem,
    )
  expect(await problemOf(() => door.read(undefined, '/v1/account'))).toBe('sign_in_required')
})

test('a payout is made on the chain that was signed for, and to who signed', async () => {
  const door = doorOf()
  const wishes: Wish[] = []
  const till = (chain: string) => ({ asset: { chain, address: `0x${'1a'.repeat(20)}` } })
  const deps = {
    signIn: door,
    offers: { tills: [till('eip155:8453'), till('eip155:1')] },
    payouts: {
      byNonce: async () => undefined,
      order: async (wish: Wish) => {
        wishes.push(wish)
        return { id: 'errand_1', amount: 1n, settlement: { at: 'due' } }
      },
    },
  } as unknown as Deps
  const publicUrl = 'https://router.example.com'
  const app = createApp({ resources: accountResources({ deps, bodyLimit: 1_000 }), publicUrl, log: quietLog })
  const ask = async (network: string) => {
    const signed = encodeHeaderJson(await sign(door, '/v1/account/payout'))
    return app.request('/v1/account/payout', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'sign-in-with-x': signed },
      body: JSON.stringify({ network, asset: `0x${'1A'.repeat(20)}` }),
    })
  }
  const wrong = await ask('eip155:1')
  expect([wrong.status, wishes]).toEqual([401, []])
  expect(await wrong.json()).toMatchObject({
    error: { code: 'sign_in_invalid', message: expect.stringContaining('sign for eip155:1') },
    extensions: { 'sign-in-with-x': { info: { uri: 'https://router.example.com/v1/account/payout' } } },
  })
  expect((await ask('eip155:8453')).status).toBe(202)
  expect(wishes).toMatchObject([
    { payer: account.address.toLowerCase(), till: { asset: { chain: 'eip155:8453' } } },
  ])
})

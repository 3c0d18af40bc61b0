import { encodeFunctionData, type Hex, type LocalAccount, maxUint256, parseAbi } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { mint } from '../../src/cli/demo/localnet.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { Requirement } from '../../src/wire/payment.ts'
import { header, offerOf, offersOf, post, signOffer, signPermit2 } from '../support/pay.ts'
import { costingNothing, told } from '../support/refused.ts'
import { testWallet1271 } from '../support/test-contracts.generated.ts'
import { goodAnswer } from '../support/upstream.ts'
import { hello, startWorld, type World } from '../support/world.ts'
import { delegate, deployDelegate, deployWallet1271, x402 } from '../support/x402-contracts.ts'

let world: World
beforeEach(() => world.upstream.script(goodAnswer))
afterEach(async () => {
  await world.settle()
  expect(await checkInvariants(world.farebox.deps.ledger, { now: Date.now() })).toEqual([])
})

type Payer = { address: Hex; owner: LocalAccount }
const deployer = () => ({ url: world.net.url, deployerKey: world.net.accounts[0]!.privateKey })
const fund = (to: Hex) => mint({ ...deployer(), token: world.token, to, amount: 10_000_000n })
const approveData = encodeFunctionData({
  abi: parseAbi(['function approve(address spender, uint256 value)']),
  functionName: 'approve',
  args: [x402.permit2, maxUint256],
})
/** A contract wallet with money and an allowance for Permit2. */
const wallet = async (): Promise<Payer> => {
  const owner = privateKeyToAccount(generatePrivateKey())
  const { address } = await deployWallet1271({ ...deployer(), owner: owner.address })
  await fund(address)
  await command({ address, owner }, 'execute', [world.token, approveData])
  return { address, owner }
}
const command = ({ address, owner }: Payer, functionName: 'execute' | 'setMode', args: unknown[]) =>
  world.act(
    owner.address,
    address,
    encodeFunctionData({ abi: testWallet1271.abi as never, functionName, args } as never),
  )
/** A plain account with money and an allowance, delegated to a contract that signs as its key does. */
const delegated = async (): Promise<Payer> => {
  const key = generatePrivateKey()
  const owner = privateKeyToAccount(key)
  await fund(owner.address)
  await world.approve(owner)
  const to = (await deployDelegate(deployer())).address
  await delegate({ url: world.net.url, privateKey: key, to })
  return { address: owner.address, owner }
}
const offer = async (scheme: 'upto' | 'exact', method: 'eip3009' | 'permit2') =>
  offerOf(offersOf(await post(world.chat, hello())), scheme, { method })
const signed = async ({ address, owner }: Payer, wanted: Requirement) =>
  wanted.extra.assetTransferMethod === 'permit2'
    ? signPermit2(owner, wanted, { from: address })
    : signOffer(owner, wanted, { from: address })
const send = (payment: unknown) => post(world.chat, hello(), { 'payment-signature': header(payment) })
const pay = async (payer: Payer, scheme: 'upto' | 'exact', method: 'eip3009' | 'permit2') =>
  send(await signed(payer, await offer(scheme, method)))
const WAYS = [
  ['upto', 'permit2'],
  ['exact', 'permit2'],
  ['exact', 'eip3009'],
] as const
type Signed = Awaited<ReturnType<typeof signOffer>> | Awaited<ReturnType<typeof signPermit2>>
const lengthened = (payment: Signed, tail: string) => ({
  ...payment,
  payload: { ...payment.payload, signature: `${payment.payload.signature}${tail}` },
})

describe('where contracts are not taken', () => {
  beforeAll(async () => {
    world = await startWorld({ x402: true })
  })

  test.each(WAYS)(
    'a contract wallet is refused before anything is spent, by %s and %s',
    async (scheme, method) => {
      const payer = await wallet()
      const payment = await signed(payer, await offer(scheme, method))
      // Its owner's signature of 65 bytes is not the wallet's own, and a longer one is no account's.
      const short = await costingNothing(world, async () => told(await send(payment)))
      expect(short.says).toMatch(/402 payment_signature_invalid/)
      const long = await costingNothing(world, async () => told(await send(lengthened(payment, 'aa'))))
      expect(long.says).toMatch(/402 payer_is_contract/)
      expect(long.hint).toBe('Pay from a plain account.')
    },
  )

  test.each(WAYS)(
    'a delegated account is refused before anything is spent, by %s and %s',
    async (scheme, method) => {
      const payer = await delegated()
      const refused = await costingNothing(world, async () => told(await pay(payer, scheme, method)))
      expect(refused.says).toMatch(/402 payer_is_contract The payer is a contract or a delegated account/)
    },
  )

  test('a wallet that is not deployed yet is told so when its payment is read', async () => {
    const payment = await signed({ ...(await wallet()) }, await offer('exact', 'eip3009'))
    const refused = await costingNothing(world, async () =>
      told(await send(lengthened(payment, '6492'.repeat(16)))),
    )
    expect(refused.says).toMatch(/400 payment_malformed .*ERC-6492.*deploy the wallet first/)
  })

  afterAll(() => world.close())
})

describe('where contracts pay first', () => {
  beforeAll(async () => {
    world = await startWorld({ x402: true, extra: 'payers: { contracts: settle-first }' })
  })
  afterAll(() => world.close())

  test.each([
    ['a contract wallet', 'eip3009', wallet],
    ['a contract wallet', 'permit2', wallet],
    ['a delegated account', 'eip3009', delegated],
    ['a delegated account', 'permit2', delegated],
  ] as const)('%s is served once its payment by %s has settled', async (_, method, payer) => {
    const one = await payer()
    let held: bigint | undefined
    world.upstream.script(async (ask) => {
      held = await world.balance(one.address)
      return goodAnswer(ask)
    })
    const response = await pay(one, 'exact', method)
    expect(response.status).toBe(200)
    const call = (await world.farebox.deps.ledger.call(response.headers.get('x-farebox-call')!))!
    expect(call).toMatchObject({ settleFirst: true, settlement: { at: 'settled' }, exposed: 0n })
    expect(held).toBe(10_000_000n - call.signed)
  })

  test.each([
    ['a contract wallet', wallet],
    ['a delegated account', delegated],
  ] as const)('%s cannot pay by upto, which settles last', async (_, payer) => {
    const one = await payer()
    const refused = await costingNothing(world, async () => told(await pay(one, 'upto', 'permit2')))
    expect(refused.says).toMatch(/402 exposure_reached/)
  })

  test.each(['eip3009', 'permit2'] as const)(
    'a wallet that did not sign is refused, by %s',
    async (method) => {
      const one = await wallet()
      await command(one, 'setMode', [0n, false, true])
      const refused = await costingNothing(world, async () => told(await pay(one, 'exact', method)))
      expect(refused.says).toMatch(/402 payment_signature_invalid/)
    },
  )

  test.each(['eip3009', 'permit2'] as const)(
    'a wallet that burns gas when it is asked is refused, by %s',
    async (method) => {
      const one = await wallet()
      await command(one, 'setMode', [300_000n, false, false])
      const refused = await costingNothing(world, async () => told(await pay(one, 'exact', method)))
      expect(refused.says).toMatch(/402 settlement_failed .*gas/)
      await command(one, 'setMode', [50_000_000n, false, false])
      const worse = await costingNothing(world, async () => told(await pay(one, 'exact', method)))
      expect(worse.says).toMatch(/402 payment_signature_invalid/)
    },
  )

  test('a wallet that says yes only when nobody pays is not served, and its gas is bounded', async () => {
    const one = await wallet()
    await command(one, 'setMode', [0n, true, false])
    const before = world.upstream.seen.length
    const { code } = await told(await pay(one, 'exact', 'eip3009'))
    expect(code).toMatch(/settlement_failed|payment_signature_invalid/)
    expect(world.upstream.seen.length).toBe(before)
    expect(await world.balance(one.address)).toBe(10_000_000n)
  })

  test('a plain account is served on trust as ever', async () => {
    const account = await world.payer()
    const response = await pay({ address: account.address, owner: account }, 'exact', 'eip3009')
    const call = (await world.farebox.deps.ledger.call(response.headers.get('x-farebox-call')!))!
    expect(call.settleFirst).toBe(false)
  })
})

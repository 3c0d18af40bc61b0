import { ExactEvmScheme, UptoEvmScheme } from '@x402/evm'
import { wrapFetchWithPayment, x402Client } from '@x402/fetch'
import { encodeFunctionData, type Hex, type LocalAccount, maxUint256, parseAbi, parseGwei } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { EIP2612_TYPES } from '../../src/wire/contracts.ts'
import type { Requirement } from '../../src/wire/payment.ts'
import { header, offerOf, offersOf, post, signPermit2 } from '../support/pay.ts'
import { costingNothing, told } from '../support/refused.ts'
import { CHAIN_ID, hello, startWorld, type World, type WorldOptions } from '../support/world.ts'
import { x402 } from '../support/x402-contracts.ts'

const NETWORK = `eip155:${CHAIN_ID}` as const
const CHARGE = 14n
const ERC20 = parseAbi([
  'function approve(address spender, uint256 value)',
  'function allowance(address owner, address spender) view returns (uint256)',
])

let world: World
const start = (more: WorldOptions = {}) => startWorld({ x402: true, usdt: true, store: 'sqlite', ...more })
beforeAll(async () => {
  world = await start()
})
afterAll(() => world?.close())
afterEach(async () => {
  await world.settle()
  expect(await checkInvariants(world.farebox.deps.ledger, { now: Date.now() })).toEqual([])
})

const ask = (body: unknown) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})
/** The official client with one scheme and one token, unchanged. */
const official = (
  account: LocalAccount,
  Scheme: typeof ExactEvmScheme | typeof UptoEvmScheme,
  asset: Hex,
) => {
  const client = new x402Client()
  client.register(NETWORK, new Scheme(account, { rpcUrl: world.net.url }) as never)
  client.setSpendControls({ allowedAssets: [{ network: NETWORK, asset }] })
  client.registerPolicy((_, offers) =>
    offers.filter(
      (offer) => offer.asset === asset.toLowerCase() && offer.extra?.['assetTransferMethod'] === 'permit2',
    ),
  )
  return wrapFetchWithPayment(fetch, client)
}
const allowance = async (owner: Hex, token: Hex): Promise<bigint> => {
  const data = encodeFunctionData({ abi: ERC20, functionName: 'allowance', args: [owner, x402.permit2] })
  return BigInt(await world.rpc<Hex>('eth_call', [{ to: token, data }, 'latest']))
}
const transactions = async (of: Hex) => Number(await world.rpc('eth_getTransactionCount', [of, 'latest']))
const callOf = async (response: Response) =>
  (await world.farebox.deps.ledger.call(response.headers.get('x-farebox-call')!))!

describe('an agent without any gas pays through Permit2 at its first call', () => {
  test.each([
    ['upto', UptoEvmScheme, 'upto'],
    ['exact', ExactEvmScheme, 'permit2'],
  ] as const)('in USDC by %s: its permit goes out with its payment', async (_, Scheme, kind) => {
    const account = await world.payer()
    const pay = official(account, Scheme, world.token)
    const response = await pay(world.chat, ask(hello()))
    expect(response.status).toBe(200)
    await world.settle()
    expect(await callOf(response)).toMatchObject({
      kind,
      sponsored: { by: 'eip2612' },
      settlement: { at: 'settled' },
    })
    expect(await transactions(account.address)).toBe(0)
    // What the first left of its allowance is not enough, so the client signs a new permit, with the next nonce.
    const second = await pay(world.chat, ask(hello()))
    expect(second.status).toBe(200)
    await world.settle()
    expect(await callOf(second)).toMatchObject({ settlement: { at: 'settled' } })
  })

  test.each([
    ['upto', UptoEvmScheme, 'upto'],
    ['exact', ExactEvmScheme, 'permit2'],
  ] as const)('in USDT by %s: its approval is brought to the chain for it, once', async (_, Scheme, kind) => {
    const account = await world.usdtPayer()
    const pay = official(account, Scheme, world.usdt)
    const response = await pay(world.chat, ask(hello()))
    expect(response.status).toBe(200)
    await world.settle()
    const call = await callOf(response)
    expect(call).toMatchObject({ kind, sponsored: { by: 'approval' }, settlement: { at: 'settled' } })
    const moved = kind === 'upto' ? CHARGE : call.signed
    expect(await world.balance(account.address, world.usdt)).toBe(10_000_000n - moved)
    expect(await allowance(account.address, world.usdt)).toBe(maxUint256)
    expect(await transactions(account.address)).toBe(1)
    // It got the coin for this one transaction and no more.
    expect(BigInt(await world.rpc<Hex>('eth_getBalance', [account.address, 'latest']))).toBeLessThan(
      70_000n * parseGwei('10'),
    )
    const second = await pay(world.chat, ask(hello()))
    expect(second.status).toBe(200)
    expect((await callOf(second)).sponsored).toBeUndefined()
  })

  test('several first calls at once in USDT share one approval', async () => {
    const account = await world.usdtPayer()
    const pay = official(account, UptoEvmScheme, world.usdt)
    const answers = await Promise.all([1, 2, 3].map(() => pay(world.chat, ask(hello()))))
    expect(answers.map((one) => one.status)).toEqual([200, 200, 200])
    await world.settle()
    expect(await world.balance(account.address, world.usdt)).toBe(10_000_000n - 3n * CHARGE)
    expect(await transactions(account.address)).toBe(1)
  })
})

type Permit = { value: bigint; nonce: bigint; deadline: bigint; from: Hex; asset: Hex }
/** An offer paid with a permit of its own, all of it as it should be but for `change`. */
const withPermit = async (
  account: LocalAccount,
  offer: Requirement,
  change: Partial<Permit> = {},
  signer: LocalAccount = account,
) => {
  const paid = await signPermit2(account, offer)
  const deadline = BigInt(paid.payload.permit2Authorization.deadline)
  const permit = {
    value: BigInt(offer.amount),
    nonce: 0n,
    deadline,
    from: account.address,
    asset: offer.asset,
    ...change,
  }
  const { value, nonce } = permit
  const signature = await signer.signTypedData({
    domain: { name: 'USD Coin', version: '2', chainId: CHAIN_ID, verifyingContract: offer.asset },
    types: EIP2612_TYPES,
    primaryType: 'Permit',
    message: { owner: account.address, spender: x402.permit2, value, nonce, deadline: permit.deadline },
  })
  const info = {
    from: permit.from,
    asset: permit.asset,
    spender: x402.permit2,
    amount: String(value),
    nonce: String(nonce),
    deadline: String(permit.deadline),
    signature,
    version: '1',
  }
  return { ...paid, extensions: { eip2612GasSponsoring: { info } } }
}
const offers = async () => offersOf(await post(world.chat, hello()))
const send = (payment: unknown, body: unknown = hello()) =>
  post(world.chat, body, { 'payment-signature': header(payment) })
const stranger = privateKeyToAccount(generatePrivateKey())

describe('a permit that would not do is refused before anything is spent', () => {
  const future = BigInt(Math.floor(Date.now() / 1000) + 60)
  test.each<[string, Partial<Permit>, LocalAccount | undefined, RegExp]>([
    [
      'for less than the payment',
      { value: 1n },
      undefined,
      /402 sponsorship_invalid .*not that of the payment/,
    ],
    [
      'for more than the payment',
      { value: 10_000_000n },
      undefined,
      /sponsorship_invalid .*not that of the payment/,
    ],
    ['that ends too early', { deadline: future }, undefined, /sponsorship_invalid .*ends before the payment/],
    ['of somebody else', {}, stranger, /sponsorship_invalid .*not that of the payer/],
    ['from somebody else', { from: stranger.address }, undefined, /sponsorship_invalid .*not from the payer/],
    ['for another token', { asset: stranger.address }, undefined, /sponsorship_invalid .*another token/],
    ['with a nonce that is not the next', { nonce: 1n }, undefined, /402 insufficient_allowance/],
  ])('one %s', async (_, change, signer, says) => {
    const account = await world.payer()
    const offer = offerOf(await offers(), 'upto', { asset: world.token })
    const payment = await withPermit(account, offer, change, signer ?? account)
    expect((await costingNothing(world, async () => told(await send(payment)))).says).toMatch(says)
  })

  test('one for a token that takes none', async () => {
    const account = await world.usdtPayer()
    const offer = offerOf(await offers(), 'upto', { asset: world.usdt })
    const payment = await withPermit(account, offer)
    expect((await costingNothing(world, async () => told(await send(payment)))).says).toMatch(
      /sponsorship_invalid .*takes no permits/,
    )
  })

  test('one that would take the allowance from other payments', async () => {
    const account = await world.payer()
    await world.approve(account)
    const offer = offerOf(await offers(), 'upto', { asset: world.token })
    const { says, hint } = await costingNothing(world, async () =>
      told(await send(await withPermit(account, offer))),
    )
    expect(says).toMatch(/402 sponsorship_invalid .*Permit2 has an allowance already/)
    expect(hint).toMatch(/^Send it again as the offer declares, or approve Permit2/)
  })
})

test('of two calls with the same permit the second is served once the first left enough allowance, and settles', async () => {
  const account = await world.payer()
  const [first, second] = [hello({ max_tokens: 900 }), hello({ max_tokens: 10 })]
  const offerFor = async (body: unknown) =>
    offerOf(offersOf(await post(world.chat, body)), 'upto', { asset: world.token })
  const large = await withPermit(account, await offerFor(first))
  const small = await withPermit(account, await offerFor(second))
  expect((await send(large, first)).status).toBe(200)
  await world.settle()
  const response = await send(small, second)
  expect(response.status).toBe(200)
  await world.settle()
  expect(await callOf(response)).toMatchObject({
    sponsored: { by: 'eip2612' },
    settlement: { at: 'settled' },
  })
  expect(await world.balance(account.address)).toBe(10_000_000n - 2n * CHARGE)
})

test('of two calls at once that each bring a permit only one is served: a permit sets an allowance, it adds nothing', async () => {
  const account = await world.payer()
  const offer = offerOf(await offers(), 'upto', { asset: world.token })
  const [a, b] = [await withPermit(account, offer), await withPermit(account, offer)]
  await world.rpc('evm_setAutomine', [false])
  const answers = await Promise.all([send(a), send(b)])
  await world.rpc('evm_setAutomine', [true])
  await world.rpc('evm_mine')
  expect(answers.map((one) => one.status).toSorted()).toEqual([200, 402])
  const refused = answers.find((one) => one.status === 402)!
  expect(await refused.json()).toMatchObject({ error: { code: 'insufficient_allowance' } })
})

type Approved = {
  type: string
  to: Hex
  data: Hex
  nonce: number
  gas: bigint
  maxFeePerGas: bigint | undefined
  gasPrice: bigint
  chainId: number
  value: bigint
  accessList: object[]
}
const approveData = (spender: Hex = x402.permit2, amount = maxUint256) =>
  encodeFunctionData({ abi: ERC20, functionName: 'approve', args: [spender, amount] })
/** An offer paid with a signed approval, all of it as it should be but for `change`. */
const withApproval = async (account: LocalAccount, change: Partial<Approved> = {}, signer = account) => {
  const offer = offerOf(await offers(), 'upto', { asset: world.usdt })
  const transaction = {
    type: 'eip1559',
    to: world.usdt,
    data: approveData(),
    nonce: 0,
    gas: 70_000n,
    maxFeePerGas: parseGwei('1'),
    maxPriorityFeePerGas: 1n,
    chainId: CHAIN_ID,
    value: 0n,
    ...change,
  }
  const info = {
    from: account.address,
    asset: world.usdt,
    spender: x402.permit2,
    amount: String(maxUint256),
    signedTransaction: await signer.signTransaction(
      (transaction.type === 'eip1559'
        ? transaction
        : { ...transaction, maxPriorityFeePerGas: undefined }) as never,
    ),
    version: '1',
  }
  return { ...(await signPermit2(account, offer)), extensions: { erc20ApprovalGasSponsoring: { info } } }
}

describe('an approval that would not do is refused before anything is spent', () => {
  test.each<[string, Partial<Approved>, LocalAccount | undefined, RegExp]>([
    ['of another contract', { to: stranger.address }, undefined, /sponsorship_invalid .*another token/],
    [
      'of somebody else than Permit2',
      { data: approveData(stranger.address) },
      undefined,
      /somebody else than Permit2/,
    ],
    ['of less than the payment', { data: approveData(x402.permit2, 1n) }, undefined, /less than the payment/],
    ['with more in its data', { data: `${approveData()}00` }, undefined, /its data is not approve/],
    [
      'that is a transfer',
      { data: `0xa9059cbb${approveData().slice(10)}` },
      undefined,
      /its data is not approve/,
    ],
    ['that sends coin along', { value: 1n }, undefined, /it sends coin along/],
    [
      'with an access list',
      { accessList: [{ address: stranger.address, storageKeys: [] }] },
      undefined,
      /it has an access list/,
    ],
    [
      'of an older type',
      { type: 'eip2930', gasPrice: 1n, maxFeePerGas: undefined },
      undefined,
      /type 2 or legacy/,
    ],
    ['for another chain', { chainId: 1 }, undefined, /it is for another chain/],
    ['with a nonce that is not the next', { nonce: 1 }, undefined, /its nonce is not the next/],
    ['with far too much gas', { gas: 1_000_000n }, undefined, /more than 120000 gas/],
    ['with too little gas', { gas: 30_000n }, undefined, /it needs \d+ gas and asks for 30000/],
    [
      'with a fee far above the blocks',
      { maxFeePerGas: parseGwei('400') },
      undefined,
      /far above what blocks ask/,
    ],
    ['with a fee below the blocks', { maxFeePerGas: 1n }, undefined, /below what blocks ask/],
    ['signed by somebody else', {}, stranger, /not signed by the payer/],
  ])('one %s', async (_, change, signer, says) => {
    const account = await world.usdtPayer()
    const payment = await withApproval(account, change, signer ?? account)
    const before = await world.rpc('eth_getBalance', [account.address, 'latest'])
    expect((await costingNothing(world, async () => told(await send(payment)))).says).toMatch(says)
    expect(await world.rpc('eth_getBalance', [account.address, 'latest'])).toBe(before)
  })

  test('one that cannot be decoded', async () => {
    const account = await world.usdtPayer()
    const payment = await withApproval(account)
    const { info } = payment.extensions.erc20ApprovalGasSponsoring
    const cut = { ...info, signedTransaction: info.signedTransaction.slice(0, -2) as Hex }
    const broken = { ...payment, extensions: { erc20ApprovalGasSponsoring: { info: cut } } }
    expect((await costingNothing(world, async () => told(await send(broken)))).says).toMatch(
      /cannot be decoded/,
    )
  })

  test('one where the token wants an allowance of 0 first', async () => {
    const account = await world.usdtPayer()
    await world.approve(account, world.usdt, 1n)
    const payment = await withApproval(account, { nonce: 1 })
    expect((await costingNothing(world, async () => told(await send(payment)))).says).toMatch(
      /set to 0 first/,
    )
  })
})

describe('nobody drains the router’s gas', () => {
  test('an approval that its payer took back is not paid for again on the same day, also after a restart', async () => {
    const account = await world.usdtPayer()
    expect((await send(await withApproval(account))).status).toBe(200)
    await world.settle()
    await world.approve(account, world.usdt, 0n)
    const again = async () => {
      const payment = await withApproval(account, { nonce: 2 })
      return costingNothing(world, async () => told(await send(payment)))
    }
    expect((await again()).says).toMatch(/402 sponsorship_limit/)
    await world.restart()
    expect((await again()).hint).toMatch(/^Approve Permit2 .* with gas of your own, or pay by EIP-3009/)
  })

  test('all payers together stay within the limit of a day, and none are paid for where an operator says so', async () => {
    const outer = world
    world = await start({ extra: 'sponsor: { perDay: 1 }' })
    try {
      expect((await send(await withApproval(await world.usdtPayer()))).status).toBe(200)
      const payment = await withApproval(await world.usdtPayer())
      expect((await told(await send(payment))).says).toMatch(/402 sponsorship_limit/)
    } finally {
      await world.close()
      world = outer
    }
  })

  test('one whose gas is dear is not paid for, where the coin’s worth is known', async () => {
    const outer = world
    const chains = { nativeUsd: '3000', maxUsd: '0.01' }
    world = await start({
      nativeUsd: chains.nativeUsd,
      extra: `sponsor: { maxUsd: "${chains.maxUsd}" }\nsettler: { gasSharePercent: "0" }`,
    })
    try {
      const payment = await withApproval(await world.usdtPayer())
      expect((await told(await send(payment))).says).toMatch(/402 sponsorship_limit/)
    } finally {
      await world.close()
      world = outer
    }
  })
})

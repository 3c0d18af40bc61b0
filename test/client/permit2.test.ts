import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  ExactEvmScheme,
  PERMIT2_ADDRESS,
  permit2WitnessTypes,
  UptoEvmScheme,
  uptoPermit2WitnessTypes,
} from '@x402/evm'
import {
  decodeFunctionData,
  parseAbi,
  parseTransaction,
  recoverTransactionAddress,
  verifyTypedData,
} from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createPermit2Nonces } from '../../src/client/permit2.ts'
import {
  EIP2612_GAS_SPONSORING,
  ERC20_APPROVAL_GAS_SPONSORING,
  PAYMENT_IDENTIFIER,
} from '../../src/wire/extensions.ts'
import { readPayment } from '../../src/wire/payment.ts'
import { body, newBuyer, signatures } from './buyer.ts'
import {
  type Ask,
  answer,
  CHAIN,
  demand,
  honest,
  offer,
  PAY_TO,
  type Router,
  refuse,
  SIGNER,
  startRouter,
  TOKEN,
} from './router.ts'

const { name, version, ...nameless } = offer().extra
const permit2 = (extra: object = {}) =>
  offer({ extra: { ...nameless, assetTransferMethod: 'permit2', ...extra } })
const upto = offer({
  scheme: 'upto',
  extra: { ...nameless, name: name!, version: version!, facilitatorAddress: SIGNER },
})
const DECLARED = { ...EIP2612_GAS_SPONSORING, ...ERC20_APPROVAL_GAS_SPONSORING, ...PAYMENT_IDENTIFIER }

let router: Router
let node: Server
let rpc: Record<string, string>
/** What the chain says by selector; undefined for a call that reverts. */
let chain: { allowance: bigint; permitNonce: bigint | undefined; asked: string[] }
beforeAll(async () => {
  router = await startRouter()
  node = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const { id, method, params } = JSON.parse(Buffer.concat(parts).toString())
    chain.asked.push(method)
    const hex = (value: bigint) => `0x${value.toString(16).padStart(64, '0')}`
    const result =
      method === 'eth_call'
        ? params[0].data.startsWith('0xdd62ed3e')
          ? hex(chain.allowance)
          : chain.permitNonce !== undefined && hex(chain.permitNonce)
        : method === 'eth_getTransactionCount' && '0x5'
    const error = { code: 3, message: 'execution reverted' }
    response.end(JSON.stringify({ jsonrpc: '2.0', id, ...(result ? { result } : { error }) }))
  })
  await new Promise<void>((resolve) => node.listen(0, '127.0.0.1', resolve))
  rpc = { [CHAIN]: `http://127.0.0.1:${(node.address() as AddressInfo).port}` }
})
beforeEach(() => {
  router.seen.length = 0
  chain = { allowance: 10n ** 12n, permitNonce: 7n, asked: [] }
})
afterAll(async () => {
  node.close()
  await router.close()
})

const offering = (...offers: unknown[]) =>
  router.script((ask) => (ask.paid ? answerOf(ask) : demand(ask, offers, 'payment_required', {}, DECLARED)))
const answerOf = (ask: Ask) =>
  ask.paid?.accepted.scheme === 'upto' ? answer(ask, { signed: '14', credited: '0' }) : answer(ask)
const last = () => router.paid().at(-1)!.paid!
/** Wallets differ in the case of addresses; what is signed does not. */
const lower = (value: unknown) => JSON.parse(JSON.stringify(value).toLowerCase())

test('nonces go through the bits of a random word one by one, then through another word', () => {
  const { next } = createPermit2Nonces()
  const nonces = Array.from({ length: 600 }, next)
  expect(nonces.map((nonce) => Number(nonce & 255n))).toEqual(nonces.map((_, at) => at % 256))
  expect(new Set(nonces.map((nonce) => nonce >> 8n)).size).toBe(3)
  expect(nonces.every((nonce) => nonce < 2n ** 256n)).toBe(true)
  expect(createPermit2Nonces().next()).not.toBe(nonces[0])
})

test.each([
  ['exact by Permit2', permit2(), ExactEvmScheme, permit2WitnessTypes],
  ['upto', upto, UptoEvmScheme, uptoPermit2WitnessTypes],
] as const)('%s is signed as the official client signs it', async (_, wanted, Scheme, types) => {
  offering(wanted)
  const account = privateKeyToAccount(generatePrivateKey())
  const { pay } = newBuyer({ wallet: account })
  expect((await pay(router.chat, body())).status).toBe(200)
  const { permit2Authorization: ours, signature } = last().payload
  const official = await new Scheme(account).createPaymentPayload(2, wanted as never)
  const theirs = (official.payload as { permit2Authorization: typeof ours }).permit2Authorization
  const once = { nonce: '', deadline: '', witness: { ...ours.witness, validAfter: '' } }
  expect(lower({ ...ours, ...once })).toEqual(
    lower({ ...theirs, ...once, witness: { ...theirs.witness, validAfter: '' } }),
  )
  expect(Object.keys(last().payload).sort()).toEqual(Object.keys(official.payload).sort())
  const { witness } = ours
  const signed = await verifyTypedData({
    address: account.address,
    domain: { name: 'Permit2', chainId: 84532, verifyingContract: PERMIT2_ADDRESS },
    types,
    primaryType: 'PermitWitnessTransferFrom',
    message: {
      permitted: { token: ours.permitted.token, amount: BigInt(ours.permitted.amount) },
      spender: ours.spender,
      nonce: BigInt(ours.nonce),
      deadline: BigInt(ours.deadline),
      witness: { ...witness, validAfter: BigInt(witness.validAfter) },
    },
    signature: signature as `0x${string}`,
  } as never)
  expect(signed).toBe(true)
  expect(readPayment(last().header, undefined)).toMatchObject({
    authorization: { kind: wanted === upto ? 'upto' : 'permit2', to: PAY_TO, value: 10_000n, token: TOKEN },
  })
})

test('the receipt of an upto says what was charged, and only a signer that the policy names lowers what is counted', async () => {
  offering(upto)
  const { pay } = newBuyer()
  await pay(router.chat, body())
  expect(pay.lastReceipt).toMatchObject({ ok: true, problems: [] })
  expect(pay.spending()).toMatchObject({ spent: 10_000n, charged: 14n })
  const trusting = newBuyer({ policy: { signers: { [router.url]: SIGNER } } })
  await trusting.pay(router.chat, body())
  expect(trusting.pay.spending()).toMatchObject({ spent: 14n, lastHour: 14n, charged: 14n })
})

test.each([
  ['charges', { signed: '10001', charged: '10001', quoted: '10001', credited: '0' }],
  ['moves', { signed: '10001', quoted: '10001', credited: '0' }],
  ['credits', { signed: '14', credited: '1' }],
])('an upto receipt that %s more than was agreed to does not hold', async (_, change) => {
  router.script((ask) => (ask.paid ? answer(ask, change) : demand(ask, [upto])))
  const { pay } = newBuyer({ policy: { signers: { [router.url]: SIGNER } } })
  await pay(router.chat, body())
  expect(pay.lastReceipt?.ok).toBe(false)
  expect(pay.spending().spent).toBe(10_000n)
})

test('each signature has the next nonce, and one that is shown again keeps its own', async () => {
  router.script((ask, shown) =>
    ask.paid ? (shown === 2 ? ask.response.destroy() : answer(ask)) : demand(ask, [permit2()]),
  )
  const { pay } = newBuyer()
  for (const text of ['a', 'b', 'c']) await pay(router.chat, body(text))
  const bits = router
    .paid()
    .map(({ paid }) => Number(BigInt(paid!.payload.permit2Authorization.nonce) & 255n))
  expect(bits).toEqual([0, 1, 1, 2])
  expect(signatures(router.paid())).toBe(3)
})

test('with an RPC URL and a sufficient allowance nothing is added', async () => {
  offering(upto)
  await newBuyer({ rpc }).pay(router.chat, body())
  expect(chain.asked).toEqual(['eth_call'])
  expect(last().extensions?.['eip2612GasSponsoring']?.info).not.toHaveProperty('signature')
})

test('a short allowance is permitted by EIP-2612, as the official client does it', async () => {
  chain.allowance = 9_999n
  offering(upto)
  const account = privateKeyToAccount(generatePrivateKey())
  await newBuyer({ rpc, wallet: account }).pay(router.chat, body())
  const ours = last().extensions!['eip2612GasSponsoring']!.info
  const scheme = new UptoEvmScheme(account, { rpcUrl: rpc[CHAIN]! })
  const official = await scheme.createPaymentPayload(2, upto as never, { extensions: DECLARED } as never)
  const { eip2612GasSponsoring: theirs } = official.extensions as Record<string, { info: object }>
  const once = { signature: '', deadline: '' }
  expect(lower({ ...ours, ...once, description: undefined })).toEqual(lower({ ...theirs!.info, ...once }))
  expect(ours).toMatchObject({ description: EIP2612_GAS_SPONSORING.eip2612GasSponsoring.info['description'] })
  expect(readPayment(last().header, undefined)).toMatchObject({
    sponsored: { by: 'eip2612', value: 10_000n, nonce: 7n },
  })
  expect(BigInt(ours['deadline']!)).toBe(BigInt(last().payload.permit2Authorization.deadline))
})

test('a token without permits is approved by a signed transaction that the router sends', async () => {
  Object.assign(chain, { allowance: 0n, permitNonce: undefined })
  offering(permit2())
  const account = privateKeyToAccount(generatePrivateKey())
  await newBuyer({ rpc, wallet: account }).pay(router.chat, body())
  const { info } = last().extensions!['erc20ApprovalGasSponsoring']!
  expect(info).toMatchObject({
    from: account.address.toLowerCase(),
    asset: TOKEN,
    version: '1',
    amount: String(2n ** 256n - 1n),
  })
  const raw = info['signedTransaction'] as `0x02${string}`
  const transaction = parseTransaction(raw)
  expect(transaction).toMatchObject({ to: TOKEN, nonce: 5, chainId: 84532, gas: 70_000n, type: 'eip1559' })
  const abi = parseAbi(['function approve(address, uint256)'])
  expect(decodeFunctionData({ abi, data: transaction.data! }).args).toEqual([
    PERMIT2_ADDRESS,
    2n ** 256n - 1n,
  ])
  expect(await recoverTransactionAddress({ serializedTransaction: raw })).toBe(account.address)
  expect(readPayment(last().header, undefined)).toMatchObject({ sponsored: { by: 'approval' } })
})

test('without a way to allow it, the next best way is taken, and else the refusal says what to do', async () => {
  chain.allowance = 0n
  const wanted = { policy: { schemes: ['upto', 'exact'] as const }, rpc }
  router.script((ask) => (ask.paid ? answer(ask) : demand(ask, [upto, offer()])))
  await newBuyer(wanted).pay(router.chat, body())
  expect(last().accepted.scheme).toBe('exact')
  router.script((ask) => demand(ask, [upto]))
  const error = await newBuyer(wanted)
    .pay(router.chat, body())
    .catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'allowance_short' })
  expect(String(error)).toContain(
    'Approve Permit2 (0x000000000022d473030f116ddee9f6b43ac78ba3) for the token',
  )
})

test('without an RPC URL it is tried plainly; a router that finds no allowance is paid another way, and remembered', async () => {
  router.script((ask) => {
    if (ask.paid?.accepted.scheme === 'exact') return answer(ask)
    return demand(ask, [upto, offer()], ask.paid ? 'insufficient_allowance' : 'payment_required')
  })
  const { pay } = newBuyer({ policy: { schemes: ['upto', 'exact'] } })
  for (const text of ['a', 'b']) expect((await pay(router.chat, body(text))).status).toBe(200)
  expect(router.paid().map(({ paid }) => paid?.accepted.scheme)).toEqual(['upto', 'exact', 'exact'])
  expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 20_000n })
})

test('where nothing else is offered, the refusal for an allowance comes back with what to do', async () => {
  router.script((ask) => demand(ask, [upto], ask.paid ? 'insufficient_allowance' : 'payment_required'))
  const { pay, events } = newBuyer()
  expect((await pay(router.chat, body())).status).toBe(402)
  expect(router.paid()).toHaveLength(1)
  expect(events.at(-1)).toMatchObject({
    type: 'refused',
    hint: expect.stringContaining('give the client an RPC URL'),
  })
})

test('a call has one name, in its header and in its payment, however often it is signed and shown', async () => {
  router.script((ask, shown) => {
    if (!ask.paid) return demand(ask, [offer()], 'payment_required', {}, DECLARED)
    if (shown === 1) return ask.response.destroy()
    return shown === 2 ? refuse(ask, 'payment_released') : answer(ask)
  })
  const { pay } = newBuyer()
  await pay(router.chat, body())
  const names = router
    .paid()
    .map(({ headers, paid }) => [
      headers['idempotency-key'],
      paid?.extensions?.['payment-identifier']?.info['id'],
    ])
  expect(names).toHaveLength(3)
  expect(new Set(names.flat()).size).toBe(1)
  expect(readPayment(last().header, undefined)).toMatchObject({ identifier: names[0]![0] })
  router.script(honest)
  await pay(router.chat, body())
  expect(router.paid().at(-1)?.headers['idempotency-key']).not.toBe(names[0]![0])
  await pay(router.chat, { ...body('x'), headers: { ...body().headers, 'idempotency-key': 'mine' } })
  expect(router.paid().at(-1)?.headers['idempotency-key']).toBe('mine')
})

test('an upto whose settler changes between two calls is not signed', async () => {
  offering(upto)
  const { pay } = newBuyer()
  await pay(router.chat, body())
  const OTHER = '0x00000000000000000000000000000000000000ee'
  offering({ ...upto, extra: { ...upto.extra, facilitatorAddress: OTHER, signer: OTHER } })
  await expect(pay(router.chat, body('b'))).rejects.toMatchObject({ code: 'signer_changed' })
})

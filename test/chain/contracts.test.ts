import type { PaymentPayload, PaymentRequirements } from '@x402/core/types'
import { toFacilitatorEvmSigner } from '@x402/evm'
import { BatchSettlementEvmScheme as BatchClient } from '@x402/evm/batch-settlement/client'
import { BatchSettlementEvmScheme as BatchFacilitator } from '@x402/evm/batch-settlement/facilitator'
import { ExactEvmScheme as ExactClient } from '@x402/evm/exact/client'
import { ExactEvmScheme as ExactFacilitator } from '@x402/evm/exact/facilitator'
import { UptoEvmScheme as UptoClient } from '@x402/evm/upto/client'
import { UptoEvmScheme as UptoFacilitator } from '@x402/evm/upto/facilitator'
import type { Address, Hex } from 'viem'
import { encodeFunctionData } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { batchSettlementAbi } from '../../contracts-abi/batch-settlement.ts'
import { erc20Abi, usdtAbi } from '../../contracts-abi/erc20.ts'
import { x402UptoPermit2ProxyAbi } from '../../contracts-abi/x402-proxies.ts'
import type { Localnet } from '../../src/cli/demo/localnet.ts'
import { deployUsdc, localClient, mint, rpc, startAnvil } from '../../src/cli/demo/localnet.ts'
import { testUsdt, testWallet1271 } from '../support/test-contracts.generated.ts'
import { deployUsdt, deployWallet1271, mintUsdt, placeX402, x402 } from '../support/x402-contracts.ts'

const network = 'eip155:31337'
const payTo = '0x000000000000000000000000000000000000bEEF'
const maxUint = 2n ** 256n - 1n

let net: Localnet
let usdc: Address
let usdt: Address
let batch: BatchFacilitator
let exact: ExactFacilitator
let upto: UptoFacilitator

beforeAll(async () => {
  net = await startAnvil()
  const sender = { url: net.url, deployerKey: net.accounts[0]!.privateKey }
  await placeX402(net.url)
  usdc = (await deployUsdc(sender)).address
  usdt = (await deployUsdt(sender)).address
  const payer = net.accounts[1]!
  await mint({ ...sender, token: usdc, to: payer.address, amount: 1_000_000_000n })
  await mintUsdt({ ...sender, token: usdt, to: payer.address, amount: 1_000_000_000n })
  const wallet = await localClient(net.url, payer.privateKey)
  const approve = { functionName: 'approve', args: [x402.permit2, maxUint] } as const
  await wallet.writeContract({ address: usdc, abi: erc20Abi, ...approve })
  await wallet.writeContract({ address: usdt, abi: usdtAbi, ...approve })
  const client = await localClient(net.url, net.accounts[2]!.privateKey)
  const signer = toFacilitatorEvmSigner({ ...client, address: client.account.address } as never)
  batch = new BatchFacilitator(signer, privateKeyToAccount(net.accounts[3]!.privateKey) as never)
  exact = new ExactFacilitator(signer)
  upto = new UptoFacilitator(signer)
})

afterAll(() => net?.stop())

describe('exact by Permit2', () => {
  test.each(['usdc', 'usdt'] as const)('the official client and facilitator pay with %s', async (symbol) => {
    const offer = { ...offered(symbol), scheme: 'exact' }
    const client = new ExactClient(await clientSigner())
    const payment = await signed(client, offer)
    const before = await balance(offer.asset, payTo)
    expect(await exact.verify(payment, offer)).toMatchObject({ isValid: true })
    expect(await exact.settle(payment, offer)).toMatchObject({ success: true })
    expect((await balance(offer.asset, payTo)) - before).toBe(10_000n)
    expect(await exact.verify(payment, offer), 'a second time').toMatchObject({ isValid: false })
  })

  test('a fee that the token takes is seen as a payment that fell short', async () => {
    const owner = await localClient(net.url, net.accounts[0]!.privateKey)
    const params = (rate: bigint, max: bigint) =>
      owner.writeContract({ address: usdt, abi: testUsdt.abi, functionName: 'setParams', args: [rate, max] })
    await params(10n, 1n)
    const offer = { ...offered('usdt'), scheme: 'exact' }
    const before = await balance(usdt, payTo)
    await exact.settle(await signed(new ExactClient(await clientSigner()), offer), offer)
    expect((await balance(usdt, payTo)) - before).toBe(9_990n)
    await params(0n, 0n)
  })
})

describe('upto', () => {
  test.each(['usdc', 'usdt'] as const)(
    'the facilitator takes the part that was used, in %s',
    async (symbol) => {
      const [offer, payment] = await uptoPayment(symbol)
      const before = await balance(offer.asset, payTo)
      expect(await upto.verify(payment, offer)).toMatchObject({ isValid: true })
      expect(await upto.settle(payment, { ...offer, amount: '4321' })).toMatchObject({
        success: true,
        amount: '4321',
      })
      expect((await balance(offer.asset, payTo)) - before).toBe(4_321n)
    },
  )

  test('nobody else may submit it, and nothing above the maximum is taken', async () => {
    const [offer, payment] = await uptoPayment('usdc')
    const stranger = await localClient(net.url, net.accounts[5]!.privateKey)
    const other = new UptoFacilitator(
      toFacilitatorEvmSigner({ ...stranger, address: stranger.account.address } as never),
    )
    expect(await other.settle(payment, offer)).toMatchObject({ success: false })
    type Signed = { from: Address; permitted: never; nonce: string; deadline: string; witness: never }
    const { permit2Authorization, signature } = payment.payload as {
      permit2Authorization: Signed
      signature: Hex
    }
    const { from, permitted, nonce, deadline, witness } = permit2Authorization
    const permit = { permitted, nonce: BigInt(nonce), deadline: BigInt(deadline) }
    const args = [permit, 10_000n, from, witness, signature] as const
    const settle = {
      address: x402.uptoProxy,
      abi: x402UptoPermit2ProxyAbi,
      functionName: 'settle',
      args,
    } as const
    await expect(stranger.simulateContract(settle)).rejects.toThrow('UnauthorizedFacilitator')
    expect(await upto.settle(payment, { ...offer, amount: '10001' })).toMatchObject({ success: false })
    expect(await upto.settle(payment, { ...offer, amount: '10000' })).toMatchObject({ success: true })
  })
})

describe('batch settlement', () => {
  test.each([
    ['usdc', 'eip3009'],
    ['usdc', 'permit2'],
    ['usdt', 'permit2'],
  ] as const)('deposit in %s by %s, claim, settle, refund', async (symbol, assetTransferMethod) => {
    const offer = channelOffer(symbol, assetTransferMethod)
    const client = new BatchClient(await clientSigner(), { salt: freshSalt() })
    const deposit = await signed(client, offer)
    expect(await batch.verify(deposit, offer)).toMatchObject({ isValid: true })
    const opened = await batch.settle(deposit, offer)
    expect(opened).toMatchObject({
      success: true,
      extra: { channelState: { balance: '50000', totalClaimed: '0' } },
    })

    const { channelConfig, voucher } = deposit.payload as DepositPayload
    expect(await read('getChannelId', [channelConfig])).toBe(voucher.channelId)
    const before = await balance(offer.asset, payTo)
    const claims = [claimOf(deposit, '7000')]
    expect(await batch.settle(of(offer, { type: 'claim', claims }), offer)).toMatchObject({ success: true })
    expect(await read('channels', [voucher.channelId])).toEqual([50_000n, 7_000n])
    expect(await balance(offer.asset, payTo), 'a claim moves nothing').toBe(before)

    const sweep = of(offer, { type: 'settle', receiver: payTo, token: offer.asset })
    expect(await batch.settle(sweep, offer)).toMatchObject({ success: true, amount: '7000' })
    expect((await balance(offer.asset, payTo)) - before).toBe(7_000n)

    const payer = net.accounts[1]!.address
    const left = await balance(offer.asset, payer)
    const last = { claims: [claimOf(deposit, '10000')], amount: '40000', refundNonce: '0' }
    const refund = of(offer, { type: 'refund', channelConfig, voucher, ...last })
    expect(await batch.settle(refund, offer)).toMatchObject({ success: true })
    expect((await balance(offer.asset, payer)) - left).toBe(40_000n)
    expect(await read('refundNonce', [voucher.channelId])).toBe(1n)
    expect(await batch.settle(refund, offer), 'a second time').toMatchObject({ success: false })
    expect(await batch.settle(sweep, offer)).toMatchObject({ success: true, amount: '3000' })
  })

  test('vouchers add up: each next one may claim more, an old one changes nothing', async () => {
    const offer = channelOffer('usdc', 'eip3009')
    const client = new BatchClient(await clientSigner(), { salt: freshSalt() })
    const first = await signed(client, offer)
    await batch.settle(first, offer)
    const { channelId } = (first.payload as DepositPayload).voucher
    const storage = (client as unknown as { storage: Storage }).storage
    await storage.set(channelId.toLowerCase(), { balance: '50000', chargedCumulativeAmount: '8000' })
    const second = await signed(client, offer)
    expect(second.payload).toMatchObject({ type: 'voucher', voucher: { maxClaimableAmount: '18000' } })
    expect(await batch.verify(second, offer)).toMatchObject({ isValid: true })
    const claim = (claims: unknown[]) => batch.settle(of(offer, { type: 'claim', claims }), offer)
    expect(await claim([claimOf(second, '18001')]), 'above the voucher').toMatchObject({ success: false })
    expect(await claim([claimOf(second, '18000')])).toMatchObject({ success: true })
    expect(await claim([claimOf(first, '8000')])).toMatchObject({ success: true })
    expect(await read('channels', [channelId])).toEqual([50_000n, 18_000n])
  })

  test('the payer takes the unclaimed rest back, but only after the delay', async () => {
    const offer = channelOffer('usdc', 'eip3009')
    const deposit = await signed(new BatchClient(await clientSigner(), { salt: freshSalt() }), offer)
    await batch.settle(deposit, offer)
    const { channelConfig } = deposit.payload as DepositPayload
    const config = channelConfig as never
    const payer = await localClient(net.url, net.accounts[1]!.privateKey)
    const contract = { address: x402.batchSettlement, abi: batchSettlementAbi } as const
    await payer.writeContract({ ...contract, functionName: 'initiateWithdraw', args: [config, 50_000n] })
    const finalize = { ...contract, functionName: 'finalizeWithdraw', args: [config] } as const
    await expect(payer.writeContract(finalize)).rejects.toThrow('WithdrawDelayNotElapsed')
    const snapshot = await rpc(net.url, 'evm_snapshot')
    await rpc(net.url, 'evm_increaseTime', [901])
    await rpc(net.url, 'evm_mine')
    const before = await balance(usdc, payer.account.address)
    await payer.writeContract(finalize)
    expect((await balance(usdc, payer.account.address)) - before).toBe(50_000n)
    await rpc(net.url, 'evm_revert', [snapshot])
  })
})

test('USDT is moved from one allowance to another only through zero, and a listed payer cannot pay', async () => {
  const owner = await localClient(net.url, net.accounts[0]!.privateKey)
  const payer = await localClient(net.url, net.accounts[1]!.privateKey)
  const token = { address: usdt, abi: testUsdt.abi } as const
  await expect(
    payer.writeContract({ ...token, functionName: 'approve', args: [x402.permit2, 5n] }),
  ).rejects.toThrow()
  const offer = { ...offered('usdt'), scheme: 'exact' }
  const payment = await signed(new ExactClient(await clientSigner()), offer)
  await owner.writeContract({ ...token, functionName: 'addBlackList', args: [payer.account.address] })
  expect(await exact.settle(payment, offer)).toMatchObject({ success: false })
  await owner.writeContract({ ...token, functionName: 'removeBlackList', args: [payer.account.address] })
  expect(await exact.settle(payment, offer)).toMatchObject({ success: true })
})

test('a contract wallet pays, and can be told to agree only while it is asked for free', async () => {
  const [deployer, owner] = [net.accounts[0]!, await localClient(net.url, net.accounts[4]!.privateKey)]
  const sender = { url: net.url, deployerKey: deployer.privateKey }
  const wallet = await deployWallet1271({ ...sender, owner: owner.account.address })
  await mint({ ...sender, token: usdc, to: wallet.address, amount: 50_000n })
  const contract = { address: wallet.address, abi: testWallet1271.abi } as const
  const approve = encodeFunctionData({
    abi: erc20Abi,
    functionName: 'approve',
    args: [x402.permit2, maxUint],
  })
  await owner.writeContract({ ...contract, functionName: 'execute', args: [usdc, approve] })
  const signer = { address: wallet.address, signTypedData: owner.account.signTypedData }
  const offer = { ...offered('usdc'), scheme: 'exact' }
  const payment = () => signed(new ExactClient(signer as never), offer)
  expect(await exact.settle(await payment(), offer)).toMatchObject({ success: true })
  await owner.writeContract({ ...contract, functionName: 'setMode', args: [50_000n, true, false] })
  const trap = await payment()
  expect(await exact.verify(trap, offer)).toMatchObject({ isValid: true })
  expect(await exact.settle(trap, offer)).toMatchObject({ success: false })
})

type DepositPayload = {
  channelConfig: unknown
  voucher: { channelId: Hex; maxClaimableAmount: string; signature: Hex }
}
type Storage = { set(key: string, value: object): Promise<void> }
type SchemeClient = {
  createPaymentPayload(
    version: number,
    offer: PaymentRequirements,
  ): Promise<{ payload: Record<string, unknown> }>
}

let salts = 0n
const freshSalt = () => `0x${(++salts).toString(16).padStart(64, '0')}` as Hex

const offered = (symbol: 'usdc' | 'usdt'): PaymentRequirements => ({
  scheme: 'exact',
  network,
  amount: '10000',
  asset: symbol === 'usdc' ? usdc : usdt,
  payTo,
  maxTimeoutSeconds: 300,
  extra: { name: 'USD Coin', version: '2', assetTransferMethod: 'permit2' },
})

function channelOffer(symbol: 'usdc' | 'usdt', assetTransferMethod: string): PaymentRequirements {
  const extra = { receiverAuthorizer: net.accounts[3]!.address, withdrawDelay: 900, assetTransferMethod }
  const offer = offered(symbol)
  return { ...offer, scheme: 'batch-settlement', extra: { ...offer.extra, ...extra } }
}

async function uptoPayment(symbol: 'usdc' | 'usdt') {
  const plain = offered(symbol)
  const extra = { ...plain.extra, facilitatorAddress: net.accounts[2]!.address }
  const offer = { ...plain, scheme: 'upto', extra }
  return [offer, await signed(new UptoClient(await clientSigner()), offer)] as const
}

async function clientSigner() {
  const { account } = await localClient(net.url, net.accounts[1]!.privateKey)
  return account as never
}

const signed = async (client: SchemeClient, offer: PaymentRequirements) =>
  of(offer, (await client.createPaymentPayload(2, offer)).payload)

const of = (accepted: PaymentRequirements, payload: Record<string, unknown>) =>
  ({ x402Version: 2, accepted, payload }) as PaymentPayload

function claimOf(payment: PaymentPayload, totalClaimed: string) {
  const { channelConfig, voucher } = payment.payload as DepositPayload
  const { maxClaimableAmount, signature } = voucher
  return { voucher: { channel: channelConfig, maxClaimableAmount }, signature, totalClaimed }
}

async function balance(asset: string, account: Address): Promise<bigint> {
  const client = await localClient(net.url, net.accounts[0]!.privateKey)
  return client.readContract({
    address: asset as Address,
    abi: erc20Abi,
    functionName: 'balanceOf',
    args: [account],
  })
}

async function read(
  functionName: 'getChannelId' | 'channels' | 'refundNonce',
  args: unknown[],
): Promise<unknown> {
  const client = await localClient(net.url, net.accounts[0]!.privateKey)
  const contract = { address: x402.batchSettlement, abi: batchSettlementAbi } as const
  return client.readContract({ ...contract, functionName, args } as never)
}

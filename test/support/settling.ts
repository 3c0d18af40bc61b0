import { randomBytes } from 'node:crypto'
import { encodeFunctionData, type Hex, maxUint256 } from 'viem'
import type { Asset } from '../../src/assets.ts'
import { type Chain, createChain } from '../../src/chain/chain.ts'
import { permit2Digest, uptoDigest } from '../../src/chain/permit2.ts'
import { addressOf, signDigest } from '../../src/chain/signatures.ts'
import { authorizationDigest, domainSeparator } from '../../src/chain/typed-data.ts'
import { deployUsdc, type Localnet, rpc, startAnvil } from '../../src/cli/demo/localnet.ts'
import { testUsdc } from '../../src/cli/demo/test-usdc.generated.ts'
import { systemClock } from '../../src/clock.ts'
import { newCallId } from '../../src/ids.ts'
import type { Call, PaymentKind } from '../../src/ledger/call.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { memoryLedger } from '../../src/ledger/memory.ts'
import { quietLog } from '../../src/log.ts'
import { NO_MONEY } from '../../src/money.ts'
import type { BatchPolicy } from '../../src/settle/batch.ts'
import { createSettler, type Settler } from '../../src/settle/settler.ts'
import { placeX402, x402 } from './x402-contracts.ts'

export type Key = { key: Uint8Array; address: Hex }

/** A settlement engine by itself, on a chain with every contract of x402: payments are put through the ledger by hand. */
export type Settling = {
  net: Localnet
  rpc: <T = unknown>(method: string, params?: readonly unknown[]) => Promise<T>
  token: Hex
  payTo: Hex
  settlerKey: Key
  /** Time as the settlers see it. */
  forward: (ms: number) => void
  /** Unix seconds: the later of the chain's time and theirs. */
  now: () => Promise<number>
  mine: (blocks?: number) => Promise<void>
  hold: () => Promise<void>
  /** Undoes what a test did to the chain, and takes the code from the settler's account. */
  reset: () => Promise<void>
  /** New accounts that hold 10 USDC each; with `permit2`, it may move them. */
  payers: (count: number, permit2?: boolean) => Promise<Key[]>
  /** Calls the token as any account, in a transaction that blocks take before ours. */
  act: (from: Hex, functionName: string, args: readonly unknown[]) => Promise<Hex>
  balance: (of: Hex) => Promise<bigint>
  open: (options?: EngineOptions) => Promise<Engine>
  close: () => Promise<void>
}

export type EngineOptions = {
  batch?: Partial<BatchPolicy>
  serving?: () => number
  ledger?: Ledger
  delegate?: boolean
  confirmations?: number
  /** How often it looks at the chain by itself, ms; absent: only when told. */
  pollMs?: number
  /** The chain as this engine sees it. */
  through?: (chain: Chain) => Chain
}

export type Engine = {
  settler: Settler
  /** The names of what it logged. */
  said: string[]
  ledger: Ledger
  /** A served call whose money is now to move; `end`: unix seconds. */
  owe: (
    payer: Key,
    of?: { kind?: PaymentKind; signed?: bigint; charged?: bigint; end?: number },
  ) => Promise<Call>
  call: (id: string) => Promise<Call>
  /** Looks at the chain until nothing is pending, at most a hundred times. */
  settle: () => Promise<void>
}

const CHAIN_ID = 84_532
const PAY_TO: Hex = '0x1111111111111111111111111111111111111111'
const GWEI = 1_000_000_000n
const hex = (value: bigint | number): Hex => `0x${value.toString(16)}`
const tokenData = (functionName: string, args: readonly unknown[]): Hex =>
  encodeFunctionData({ abi: testUsdc.abi as readonly unknown[], functionName, args } as Parameters<
    typeof encodeFunctionData
  >[0])

/** Starts the chain; engines are opened on it one by one. */
export const startSettling = async (): Promise<Settling> => {
  const net = await startAnvil({ chainId: CHAIN_ID })
  const ask = <T = unknown>(method: string, params: readonly unknown[] = []) =>
    rpc<T>(net.url, method, params)
  await placeX402(net.url)
  const issuer = net.accounts[0]!
  const token = (
    await deployUsdc({ url: net.url, deployerKey: issuer.privateKey })
  ).address.toLowerCase() as Hex
  const settlerKey = { key: Buffer.from(net.accounts[1]!.privateKey.slice(2), 'hex'), address: '0x' as Hex }
  settlerKey.address = addressOf(settlerKey.key)
  let offset = 0
  const clock = { ...systemClock, now: () => Date.now() + offset }
  const chains: Chain[] = []
  const timeOfChain = async () =>
    Number((await ask<{ timestamp: Hex }>('eth_getBlockByNumber', ['latest', false])).timestamp)
  const mine = async (blocks = 1) => {
    for (let i = 0; i < blocks; i++) await ask('evm_mine')
  }

  const send = async (from: Hex, to: Hex, data: Hex, tip = 100n * GWEI): Promise<Hex> => {
    await ask('anvil_setBalance', [from, hex(10n ** 20n)])
    await ask('anvil_impersonateAccount', [from])
    const fees = { maxFeePerGas: hex(1000n * GWEI), maxPriorityFeePerGas: hex(tip) }
    return ask<Hex>('eth_sendTransaction', [{ from, to, data, gas: hex(300_000), ...fees }])
  }

  return {
    net,
    rpc: ask,
    token,
    payTo: PAY_TO,
    settlerKey,
    forward: (ms) => {
      offset += ms
    },
    now: async () => Math.max(await timeOfChain(), Math.floor(clock.now() / 1000)),
    mine,
    hold: async () => void (await ask('evm_setAutomine', [false])),
    reset: async () => {
      await ask('anvil_dropAllTransactions')
      await ask('anvil_setNextBlockBaseFeePerGas', [hex(GWEI)])
      await ask('evm_setAutomine', [true])
      await ask('anvil_setCode', [settlerKey.address, '0x'])
      await mine()
    },
    payers: async (count, permit2 = false) => {
      const keys = Array.from({ length: count }, () => randomBytes(32))
      const made = keys.map((key) => ({ key, address: addressOf(key) }))
      for (const { address } of made) {
        await send(issuer.address, token, tokenData('mint', [address, 10_000_000n]), GWEI)
        if (permit2) await send(address, token, tokenData('approve', [x402.permit2, maxUint256]), GWEI)
      }
      if (!(await ask<boolean>('anvil_getAutomine'))) await mine()
      return made
    },
    act: (from, functionName, args) => send(from, token, tokenData(functionName, args)),
    balance: async (of) =>
      BigInt(await ask<Hex>('eth_call', [{ to: token, data: tokenData('balanceOf', [of]) }, 'latest'])),
    open: async (options = {}) => {
      offset = Math.max(offset, (await timeOfChain()) * 1000 - Date.now())
      const real = createChain(`eip155:${CHAIN_ID}`, [net.url])
      chains.push(real)
      return openEngine({ chain: options.through?.(real) ?? real, clock, token, settlerKey }, options)
    },
    close: async () => {
      await Promise.all(chains.map((one) => one.close()))
      await net.stop()
    },
  }
}

type Ground = { chain: Chain; clock: typeof systemClock; token: Hex; settlerKey: Key }

const openEngine = async (ground: Ground, options: EngineOptions): Promise<Engine> => {
  const { chain, clock, settlerKey } = ground
  const ledger = options.ledger ?? memoryLedger({ clock })
  const said: string[] = []
  const settler = createSettler({
    ledger,
    chain,
    account: settlerKey,
    clock,
    log: { ...quietLog, info: (name) => void said.push(name), warn: (name) => void said.push(name) },
    confirmations: options.confirmations ?? 1,
    pollMs: options.pollMs ?? 3_600_000,
    maxFee: 500n * GWEI,
    batch: { maxDelayMs: 1_000, min: 1, max: 100, ...options.batch },
    serving: options.serving ?? (() => 1),
    delegate: () => options.delegate === true,
    probe: () => {},
  })
  await settler.start()
  return {
    settler,
    said,
    ledger,
    owe: async (payer, of = {}) => {
      const call = await signedCall(ground, payer, of)
      await ledger.post({ type: 'claim', call, limits: {} })
      const usage = { input: 1, cached: 0, output: 1, source: 'reported' } as const
      const charged = of.charged ?? call.signed
      const bill = {
        charged,
        usage,
        model: 'm',
        provider: 'p',
        responseDigest: call.requestDigest,
        at: clock.now(),
      }
      const served: Call = { ...call, service: { at: 'served', bill } }
      const move = { type: 'bill', id: call.id, bill, partial: false } as const
      await settler.pay<Call>(served, (way) => ledger.post({ ...move, ...way }))
      return call
    },
    call: async (id) => (await ledger.call(id))!,
    settle: async () => {
      for (let i = 0; i < 100 && settler.pending() > 0; i++) {
        await settler.tick()
        if (settler.pending() > 0) await new Promise((resolve) => setTimeout(resolve, 10))
      }
    },
  }
}

const signedCall = async (
  { clock, token, settlerKey }: Ground,
  { key, address }: Key,
  { kind = 'eip3009', signed = 1_000n, end }: { kind?: PaymentKind; signed?: bigint; end?: number },
): Promise<Call> => {
  const nonce: Hex = `0x${randomBytes(32).toString('hex')}`
  const now = Math.floor(clock.now() / 1000)
  const terms = {
    token,
    to: PAY_TO,
    value: signed,
    nonce,
    validAfter: 0n,
    validBefore: BigInt(end ?? now + 3_600),
  }
  const digest =
    kind === 'upto'
      ? uptoDigest(CHAIN_ID, { ...terms, facilitator: settlerKey.address })
      : kind === 'permit2'
        ? permit2Digest(CHAIN_ID, terms)
        : authorizationDigest(domainSeparator(asset(token)), { ...terms, from: address })
  return {
    is: 'call',
    id: newCallId(),
    kind,
    claim: `eip155:${CHAIN_ID}/${kind === 'eip3009' ? token : 'permit2'}:${address}:${nonce}`,
    chain: `eip155:${CHAIN_ID}`,
    token,
    decimals: 6,
    payer: address,
    payTo: PAY_TO,
    validAfter: 0n,
    validBefore: terms.validBefore,
    nonce,
    signature: await signDigest(digest, key),
    signed,
    credit: 0n,
    ceiling: signed,
    quoteId: 'quote',
    requestDigest: nonce,
    asked: 'm',
    stream: false,
    settleFirst: false,
    at: clock.now(),
    exposed: NO_MONEY,
    pending: 0n,
    service: { at: 'claimed' },
    settlement: { at: 'none' },
  }
}

const asset = (token: Hex): Asset => ({
  chain: `eip155:${CHAIN_ID}`,
  address: token,
  symbol: 'USDC',
  decimals: 6,
  name: 'USD Coin',
  version: '2',
  methods: ['eip3009', 'permit2'],
})

import { encodeFunctionData, type Hex, type LocalAccount } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import type { ChainId } from '../../src/assets.ts'
import { testUsdc } from '../../src/cli/demo/test-usdc.generated.ts'
import { systemClock } from '../../src/clock.ts'
import type { Call, Tx } from '../../src/ledger/call.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { quietLog } from '../../src/log.ts'
import { type Farebox, startFarebox } from '../../src/main.ts'
import type { Settler } from '../../src/settle/settler.ts'
import { type Authorized, header, offersOf, post, signOffer } from './pay.ts'
import { type RpcProxy, startRpcProxy } from './rpc-proxy.ts'
import { hello, PAY_TO, startWorld, type World, type WorldOptions } from './world.ts'

export type Paid = {
  response: Response
  id: string
  payload: Awaited<ReturnType<typeof signOffer>>
}

/** A router behind a node that can be made to fail, on a chain whose blocks and time the test owns. */
export type Hostile = {
  node: RpcProxy
  farebox: Farebox
  ledger: Ledger
  settler: Settler
  /** Time as the router sees it. */
  forward: (ms: number) => void
  /** Buys one small call; `change` alters the authorization before it is signed. */
  pay: (
    payer: LocalAccount,
    change?: Partial<Authorized>,
    body?: unknown,
    signal?: AbortSignal,
  ) => Promise<Paid>
  call: (id: string) => Promise<Call>
  /** Waits until the newest transaction of a call is known to the chain; returns it. */
  sent: (id: string) => Promise<Tx>
  /** Looks at the chain until nothing is pending, at most fifty times. */
  settle: () => Promise<void>
  /** Ends the router and starts another on the same ledger. */
  restart: () => Promise<void>
  close: () => Promise<void>
}

export type HostileOptions = { confirmations?: number; urls?: (node: string) => string[] }

/** What a test does to the chain itself. */
export type Stage = {
  world: World
  rpc: World['rpc']
  mine: (blocks?: number) => Promise<void>
  /** Blocks come only when told. */
  hold: () => Promise<void>
  /** A new account with units, in one transaction that is in a block when this resolves. */
  payer: (units?: bigint) => Promise<LocalAccount>
  /** Several new accounts. */
  payers: (count: number) => Promise<LocalAccount[]>
  /** A transaction that blocks take before ours: of any account, to the token. */
  rush: (from: Hex, data: Hex) => Promise<Hex>
  /** Calldata for the token. */
  token: typeof tokenData
  /** Transfers to the router, oldest first. */
  received: (from?: Hex) => Promise<{ hash: Hex; amount: bigint }[]>
  balance: (of: Hex) => Promise<bigint>
  open: (options?: HostileOptions) => Promise<Hostile>
  /** Undoes what a test did to the chain: pending transactions, fees, pause. */
  reset: () => Promise<void>
  close: () => Promise<void>
}

const GWEI = 1_000_000_000n
const hex = (value: bigint | number): Hex => `0x${value.toString(16)}`

const tokenData = (functionName: string, args: readonly unknown[] = []): Hex =>
  encodeFunctionData({ abi: testUsdc.abi as readonly unknown[], functionName, args } as Parameters<
    typeof encodeFunctionData
  >[0])

/** Starts a chain with a token and a provider; routers are opened on it one by one. */
export const startStage = async (options: WorldOptions = {}): Promise<Stage> => {
  const world = await startWorld(options)
  const issuer = world.net.accounts[0]!.address
  const { rpc } = world
  await world.farebox.close()

  const send = (from: Hex, to: Hex, data: Hex, tip: bigint): Promise<Hex> => {
    const fees = { maxFeePerGas: hex(1000n * GWEI), maxPriorityFeePerGas: hex(tip) }
    return rpc<Hex>('eth_sendTransaction', [{ from, to, data, gas: hex(300_000), ...fees }])
  }
  const read = (data: Hex) => rpc<Hex>('eth_call', [{ to: world.token, data }, 'latest'])
  const mine = async (blocks = 1) => {
    for (let i = 0; i < blocks; i++) await rpc('evm_mine')
  }

  const payer = async (units = 10_000_000n): Promise<LocalAccount> => {
    const account = privateKeyToAccount(generatePrivateKey())
    if (units > 0n) {
      await send(issuer, world.token, tokenData('mint', [account.address, units]), GWEI)
      if (!(await rpc<boolean>('anvil_getAutomine'))) await mine()
    }
    return account
  }

  return {
    world,
    rpc,
    mine,
    hold: async () => void (await rpc('evm_setAutomine', [false])),
    payer,
    payers: async (count) => {
      const made: LocalAccount[] = []
      while (made.length < count) made.push(await payer())
      return made
    },
    rush: async (from, data) => {
      await rpc('anvil_setBalance', [from, hex(10n ** 20n)])
      await rpc('anvil_impersonateAccount', [from])
      return send(from, world.token, data, 100n * GWEI)
    },
    token: tokenData,
    received: async (from) => {
      const topic = (address: Hex): Hex => `0x${address.slice(2).toLowerCase().padStart(64, '0')}`
      const transfer = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
      const topics = [transfer, from ? topic(from) : null, topic(PAY_TO)]
      const filter = { address: world.token, fromBlock: '0x0', toBlock: 'latest', topics }
      const logs = await rpc<{ transactionHash: Hex; data: Hex }[]>('eth_getLogs', [filter])
      return logs.map((log) => ({ hash: log.transactionHash, amount: BigInt(log.data) }))
    },
    balance: async (of) => BigInt(await read(tokenData('balanceOf', [of]))),
    open: (more = {}) => openHostile(world, more),
    reset: async () => {
      await rpc('anvil_dropAllTransactions')
      await rpc('anvil_setNextBlockBaseFeePerGas', [hex(GWEI)])
      await rpc('evm_setAutomine', [true])
      await mine()
      if (BigInt(await read(tokenData('paused'))) !== 0n)
        await send(issuer, world.token, tokenData('unpause'), GWEI)
    },
    close: world.close,
  }
}

const openHostile = async (world: World, options: HostileOptions): Promise<Hostile> => {
  const node = await startRpcProxy(world.net.url)
  // An earlier test may have moved the chain's time ahead of ours.
  let offset = Math.max(0, (await timeOf(world)) * 1000 - Date.now())
  const clock = { ...systemClock, now: () => Date.now() + offset }
  const [chain] = world.config.chains
  const config = {
    ...world.config,
    store: `sqlite:${world.dir}/${Math.random().toString(36).slice(2)}.db`,
    // Several routers share one chain, and none of them is to book what the others did.
    reconcile: { ...world.config.reconcile, from: 1_000_000_000 },
    // Never on a timer: the test says when the router looks.
    chains: [
      {
        ...chain!,
        rpc: options.urls?.(node.url) ?? [node.url],
        pollMs: 3_600_000,
        confirmations: options.confirmations ?? 1,
      },
    ],
  }
  const id: ChainId = `eip155:${world.net.chainId}`
  let farebox = await startFarebox(config, { log: quietLog, clock })
  const settler = () => farebox.deps.settler(id)

  const chainNow = async () => Math.max(await timeOf(world), Math.floor(clock.now() / 1000))

  const pay: Hostile['pay'] = async (payer, change = {}, body = hello(), signal = undefined) => {
    const url = `${farebox.url}/v1/chat/completions`
    const [offer] = offersOf(await post(url, body))
    const validBefore = String((await chainNow()) + offer!.maxTimeoutSeconds)
    const payload = await signOffer(payer, offer!, { validBefore, ...change })
    const response = await post(url, body, { 'payment-signature': header(payload) }, signal)
    const claim = await farebox.deps.ledger.callByClaim(claimOf(payload))
    return { response, payload, id: claim?.id ?? '' }
  }

  return {
    node,
    get farebox() {
      return farebox
    },
    get ledger() {
      return farebox.deps.ledger
    },
    get settler() {
      return settler()
    },
    forward: (ms) => {
      offset += ms
    },
    pay,
    call: async (call) => {
      const found = await farebox.deps.ledger.call(call)
      if (!found) throw new Error(`there is no call ${call}`)
      return found
    },
    sent: async (call) => {
      for (let i = 0; i < 300; i++) {
        const tx = (await farebox.deps.ledger.transactions(call)).at(-1)
        if (tx && (await world.rpc('eth_getTransactionByHash', [tx.hash])) !== null) return tx
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      throw new Error(`the transaction of ${call} was not sent`)
    },
    settle: async () => {
      for (let i = 0; i < 50 && settler().pending() > 0; i++) {
        await settler().tick()
        if (settler().pending() > 0) await new Promise((resolve) => setTimeout(resolve, 10))
      }
    },
    restart: async () => {
      await farebox.close(1000)
      farebox = await startFarebox(config, { log: quietLog, clock })
    },
    close: async () => {
      node.behave()
      await farebox.close(1000)
      await node.close()
    },
  }
}

const timeOf = async ({ rpc }: World): Promise<number> => {
  const { timestamp } = await rpc<{ timestamp: Hex }>('eth_getBlockByNumber', ['latest', false])
  return Number(timestamp)
}

const claimOf = ({ accepted, payload: { authorization } }: Paid['payload']): string =>
  `${accepted.network}/${accepted.asset}:${authorization.from}:${authorization.nonce}`.toLowerCase()

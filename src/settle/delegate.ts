import { chainNumber, type Hex } from '../assets.ts'
import { batchExecutor } from '../chain/batch-executor.generated.ts'
import type { Chain, Head } from '../chain/chain.ts'
import { type Delegation, signDelegation } from '../chain/delegate.ts'
import { transactionGas } from '../chain/gas.ts'
import { type Settler as Account, signTransaction } from '../chain/transaction.ts'
import type { Clock } from '../clock.ts'
import { type Log, reasonOf } from '../log.ts'
import { capped } from './fees.ts'
import type { Nonces } from './nonces.ts'

/** The settler's account as a contract that runs many payments at once (EIP-7702). */
export type Delegating = {
  /** It can: its code is there. */
  done: () => boolean
  /** Gives it the code, and deploys that first where it is missing; whatever stops it is in the log, and it stays as it is. */
  run: (signal: AbortSignal) => Promise<void>
}

export type DelegatingFacts = {
  chain: Chain
  account: Account
  clock: Clock
  log: Log
  nonces: Nonces
  head: () => Head
  /** Never pay more per gas than this, wei. */
  maxFee: bigint
  pollMs: number
}

/** Puts code where anybody on any chain would put it. Source: github.com/Arachnid/deterministic-deployment-proxy. */
const CREATE2_DEPLOYER: Hex = '0x4e59b44847b379578588920ca78fbf26c0b4956c'
const SALT = '0'.repeat(64)
/** 353,000 measured, beside what the transaction's data costs. */
const DEPLOY_GAS = 500_000n
/** Of a call of an account to itself. */
const SELF_CALL_GAS = 40_000n
/** A transaction that is in no block by then is given up; its nonce is filled once somebody waits behind it. */
const PATIENCE_MS = 120_000
const POLL_MS = 500

type Wish = { to: Hex; data: Hex; gas: bigint; authorizationList?: readonly Delegation[] }

export const createDelegating = (facts: DelegatingFacts): Delegating => {
  const { chain, account, clock, log, nonces, head } = facts
  const executor: Hex = batchExecutor.address
  const chainId = chainNumber(chain.id)
  let done = false

  const send = async (wish: Wish, nonce: number, more: readonly number[] = []): Promise<void> => {
    const fees = capped(chain.fees(head()), facts.maxFee)
    const { raw } = await signTransaction(account, { chainId, nonce, fees, ...wish })
    const [refused] = await chain.send([raw])
    if (refused === undefined) return
    for (const one of [nonce, ...more]) nonces.giveBack(one)
    throw new Error(refused)
  }

  /** Two nonces in a row: an account that delegates itself uses up one for the transaction and the next for the list. */
  const takeTwo = (): [number, number] => {
    const passed: number[] = []
    let first = nonces.take()
    for (;;) {
      const second = nonces.take()
      if (second === first + 1) {
        for (const one of passed) nonces.giveBack(one)
        return [first, second]
      }
      passed.push(first)
      first = second
    }
  }

  const until = async (holds: () => Promise<boolean>, signal: AbortSignal): Promise<void> => {
    const start = clock.now()
    while (!(await holds())) {
      if (signal.aborted) throw new Error('stopped')
      if (clock.now() - start > PATIENCE_MS) throw new Error('its transaction came into no block')
      await clock.sleep(Math.min(facts.pollMs, POLL_MS), signal)
    }
  }

  const isDeployed = async () => (await chain.code(executor)) !== 'none'
  const isDelegated = async () => (await chain.delegate(account.address)) === executor

  const deploy = async (signal: AbortSignal): Promise<void> => {
    if (await isDeployed()) return
    if ((await chain.code(CREATE2_DEPLOYER)) === 'none')
      throw new Error('the chain lacks the CREATE2 deployer')
    const data: Hex = `0x${SALT}${batchExecutor.bytecode.slice(2)}`
    await send({ to: CREATE2_DEPLOYER, data, gas: transactionGas(data, DEPLOY_GAS) }, nonces.take())
    await until(isDeployed, signal)
  }

  const delegate = async (signal: AbortSignal): Promise<void> => {
    const gas = transactionGas('0x', SELF_CALL_GAS, 1)
    const [nonce, next] = takeTwo()
    const wish = await signDelegation({ chainId, address: executor, nonce: next, key: account.key })
    await send({ to: account.address, data: '0x', gas, authorizationList: [wish] }, nonce, [next])
    await until(isDelegated, signal)
  }

  return {
    done: () => done,
    run: async (signal) => {
      try {
        if (!(await isDelegated())) {
          if ((await chain.code(account.address)) !== 'none') throw new Error('its account has other code')
          await deploy(signal)
          await delegate(signal)
        }
        done = true
        log.info('settler_delegated', { chain: chain.id, to: executor })
      } catch (error) {
        if (!signal.aborted) log.warn('settler_not_delegated', { chain: chain.id, why: reasonOf(error) })
      }
    },
  }
}

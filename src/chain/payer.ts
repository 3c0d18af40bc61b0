import type { Hex } from '../assets.ts'
import { callData, pad, selector } from './abi.ts'
import { blockOf, numberOf, toHead } from './answers.ts'
import { quantity } from './logs.ts'
import {
  type At,
  balanceRead,
  type Code,
  codeRead,
  permit2Reads,
  readCall,
  toCode,
  toPermit2Facts,
} from './reads.ts'
import type { Rpc, RpcCall } from './rpc.ts'

/** An authorization as the chain knows it. */
export type Used = { kind: 'eip3009' | 'permit2' | 'upto'; token: Hex; payer: Hex; nonce: Hex }

/** What the chain says about a payer right now: units that it holds, and that Permit2 may move; whether the authorization is used; what code it has. */
export type PayerFacts = { balance: bigint; allowance: bigint | undefined; used: boolean; code: Code }

/** `agreed`: two nodes must say the same, else `chain_unavailable`; of one URL it is as without. */
export type How = { agreed?: boolean }

export type PayerReads = {
  /** `agreed`: at one block of which two nodes say the same. */
  payer: (of: Used, how?: How) => Promise<PayerFacts>
  /** Whether an authorization is used up or cancelled. */
  isUsed: (of: Used) => Promise<boolean>
}

/** How reads are sent: to one node, or to two that must agree. */
export const asking = (rpc: Rpc, how: How | undefined): Rpc['batch'] => (how?.agreed ? rpc.agreed : rpc.batch)

/** Reads about payers and their authorizations. */
export const createPayerReads = (rpc: Rpc): PayerReads => ({
  payer: async ({ kind, token, payer, nonce }, how) => {
    // Of `latest`, honest nodes differ.
    const at = how?.agreed ? quantity(toHead(blockOf((await rpc.batch([LATEST]))[0]), 0n).number) : 'latest'
    const ask = asking(rpc, how)
    if (kind !== 'eip3009') return toPermit2Facts(await ask(permit2Reads(token, payer, nonce, at)), nonce)
    const state = authorizationRead(token, payer, nonce, at)
    const [balance, used, code] = await ask([balanceRead(token, payer, at), state, codeRead(payer, at)])
    return {
      balance: numberOf(balance),
      allowance: undefined,
      used: numberOf(used) !== 0n,
      code: toCode(code),
    }
  },
  isUsed: async ({ kind, token, payer, nonce }) => {
    if (kind === 'eip3009')
      return numberOf((await rpc.batch([authorizationRead(token, payer, nonce)]))[0]) !== 0n
    return toPermit2Facts(await rpc.batch(permit2Reads(token, payer, nonce)), nonce).used
  },
})

const LATEST: RpcCall = { method: 'eth_getBlockByNumber', params: ['latest', false] }

const AUTHORIZATION_STATE = selector('authorizationState(address,bytes32)')

const authorizationRead = (token: Hex, payer: Hex, nonce: Hex, at?: At): RpcCall =>
  readCall(token, callData(AUTHORIZATION_STATE, pad(payer), pad(nonce)), at)

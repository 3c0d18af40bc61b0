import type { Context } from 'hono'
import { z } from 'zod'
import { SIGN_IN_HEADER, type SignedIn } from '../accounts/sign-in.ts'
import { assetKey, type Hex } from '../assets.ts'
import type { Deps } from '../call/deps.ts'
import type { Reply } from '../call/reply.ts'
import { errorBody, fail, Refusal } from '../errors.ts'
import { isServing, isSettling } from '../ledger/call.ts'
import type { Errand } from '../ledger/errand.ts'
import { ACCOUNT, COUNTER } from '../ledger/moves.ts'
import { printUsd, type Usd } from '../money.ts'
import type { Till } from '../quote/offers.ts'
import { address, uint } from '../wire/fields.ts'
import { readBody } from './body.ts'
import type { Resource } from './resources.ts'
import { type Env, json } from './send.ts'

const ACCOUNT_PATH = '/v1/account'
const PAYOUT_PATH = '/v1/account/payout'

/** What a payer asks for; `amount` in units of the token, all free credit when left out. */
export const payoutRequest = z
  .strictObject({ network: z.string().max(50), asset: address, amount: uint(256).optional() })
  .meta({ id: 'PayoutRequest' })

/** What belongs to a payer who signs in: its account, and its credit on the chain. */
export const accountResources = ({ deps, bodyLimit }: { deps: Deps; bodyLimit: number }): Resource[] => [
  {
    method: 'get',
    path: ACCOUNT_PATH,
    summary:
      'Your credit, open calls and channels. Signed in by SIGN-IN-WITH-X; without it: 401 with the message to sign.',
    paid: false,
    signed: true,
    answer: (c) =>
      signedIn(c, deps, ACCOUNT_PATH, async (signed) => {
        await deps.signIn.once(signed)
        return json(await accountOf(deps, signed.payer))
      }),
  },
  {
    method: 'post',
    path: PAYOUT_PATH,
    summary:
      'Pays your free credit out to you on the chain. Signed in by SIGN-IN-WITH-X; the same sign-in is the same payout.',
    paid: false,
    signed: true,
    body: payoutRequest,
    answer: async (c) => {
      const wish = await readBody(c, payoutRequest, bodyLimit)
      return signedIn(c, deps, PAYOUT_PATH, async (signed) => {
        const till = tillOf(deps, wish.network, wish.asset)
        if (signed.chain !== till.asset.chain)
          throw fail('sign_in_invalid', { problem: `sign for ${till.asset.chain}, which is paid out on` })
        const { payer, nonce } = signed
        if (!(await deps.payouts.byNonce(nonce))) await deps.signIn.once(signed)
        return json(
          describePayout(await deps.payouts.order({ payer, nonce, till, amount: wish.amount })),
          202,
        )
      })
    },
  },
  {
    method: 'get',
    path: '/v1/account/payouts/:id',
    summary: 'How a payout stands.',
    paid: false,
    answer: async (c) => {
      const errand = await deps.payouts.find(c.req.param('id') ?? '')
      if (!errand) throw fail('payout_not_found')
      return json(describePayout(errand))
    },
  },
]

/** Answers who has signed in for this path; anybody else gets 401 with the message to sign. */
const signedIn = async (
  c: Context<Env>,
  { signIn }: Deps,
  path: string,
  answer: (signed: SignedIn) => Promise<Reply>,
): Promise<Reply> => {
  try {
    return await answer(await signIn.read(c.req.header(SIGN_IN_HEADER), path))
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== 401) throw error
    const reply = json({ ...errorBody(error.code, error.details), extensions: signIn.challenge(path) }, 401)
    return { ...reply, headers: { ...reply.headers, 'x-should-retry': 'false' } }
  }
}

const tillOf = ({ offers }: Deps, network: string, asset: Hex): Till => {
  const till = offers.tills.find((one) => one.asset.chain === network && one.asset.address === asset)
  if (!till) {
    const problem = 'asset: is not a token that is taken here on this network'
    throw fail('invalid_request', { problem, param: 'asset' })
  }
  return till
}

const accountOf = async ({ ledger, offers }: Deps, payer: Hex) => {
  const open = (await ledger.open()).filter((call) => call.payer === payer)
  const channels = (await ledger.openChannels()).filter(({ config }) => config.payer === payer)
  const assets = offers.tills.map(async ({ asset }) => {
    const book = assetKey(asset)
    const [credit, pending, held, leaving] = await Promise.all([
      ledger.balance(book, ACCOUNT.credit(payer)),
      ledger.balance(book, ACCOUNT.pending(payer)),
      ledger.balance(book, ACCOUNT.held(payer)),
      ledger.balance(book, ACCOUNT.payout(payer)),
    ])
    return {
      network: asset.chain,
      asset: asset.address,
      symbol: asset.symbol,
      decimals: asset.decimals,
      credit: credit.toString(),
      pending: pending.toString(),
      held: held.toString(),
      paying_out: leaving.toString(),
    }
  })
  return {
    payer,
    assets: await Promise.all(assets),
    open_calls: open.map((call) => ({
      id: call.id,
      network: call.chain,
      asset: call.token,
      signed: call.signed.toString(),
      serving: isServing(call),
      settling: isSettling(call),
    })),
    unpaid_usd: printUsd((await ledger.counter(COUNTER.unpaid(payer))) as Usd),
    // Those that are in use, or from which something is still to be claimed.
    channels: channels.map(({ channel, chain, token, balance, charged, claimed }) => ({
      channel,
      network: chain,
      asset: token,
      balance: balance.toString(),
      charged: charged.toString(),
      claimed: claimed.toString(),
    })),
  }
}

const describePayout = ({ id, chain, token, to, amount, settlement }: Errand) => {
  const proof = 'proof' in settlement ? settlement.proof : undefined
  return {
    id,
    state: settlement.at,
    network: chain,
    asset: token,
    to,
    amount: amount.toString(),
    transaction: proof?.hash ?? (settlement.at === 'settling' ? settlement.hash : null),
    block: proof?.block.toString() ?? null,
    ...(settlement.at === 'lost' && { why: settlement.why }),
    status: `/v1/account/payouts/${id}`,
  }
}

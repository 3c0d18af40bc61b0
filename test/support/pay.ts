import { randomBytes } from 'node:crypto'
import type { Hex, LocalAccount } from 'viem'
import {
  EXACT_PROXY,
  PERMIT2_EXACT_TYPES,
  PERMIT2_UPTO_TYPES,
  permit2Domain,
  UPTO_PROXY,
} from '../../src/wire/contracts.ts'
import type { PaymentRequired, Requirement } from '../../src/wire/payment.ts'

export type Authorized = {
  from: Hex
  to: Hex
  value: string
  validAfter: string
  validBefore: string
  nonce: Hex
}

export const TRANSFER_TYPES = {
  TransferWithAuthorization: [
    { name: 'from', type: 'address' },
    { name: 'to', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'validAfter', type: 'uint256' },
    { name: 'validBefore', type: 'uint256' },
    { name: 'nonce', type: 'bytes32' },
  ],
} as const

/** The offers of a 402. */
export const offersOf = (response: Response): Requirement[] => {
  const header = response.headers.get('payment-required')
  if (!header) throw new Error(`no PAYMENT-REQUIRED in a ${response.status}`)
  return (JSON.parse(Buffer.from(header, 'base64').toString('utf8')) as PaymentRequired).accepts
}

/** Signs an offer by EIP-3009; `change` alters the authorization before it is signed. Returns the payment payload, to be sent as is or tampered with. */
export const signOffer = async (
  account: LocalAccount,
  offer: Requirement,
  change: Partial<Authorized> = {},
) => {
  const now = Math.floor(Date.now() / 1000)
  const authorization: Authorized = {
    from: account.address,
    to: offer.payTo,
    value: offer.amount,
    validAfter: String(now - 600),
    validBefore: String(now + offer.maxTimeoutSeconds),
    nonce: `0x${randomBytes(32).toString('hex')}`,
    ...change,
  }
  const signature = await account.signTypedData({
    domain: {
      name: offer.extra.name,
      version: offer.extra.version,
      chainId: Number(offer.network.split(':')[1]),
      verifyingContract: offer.asset,
    },
    types: TRANSFER_TYPES,
    primaryType: 'TransferWithAuthorization',
    message: {
      ...authorization,
      value: BigInt(authorization.value),
      validAfter: BigInt(authorization.validAfter),
      validBefore: BigInt(authorization.validBefore),
    },
  })
  return { x402Version: 2, accepted: offer, payload: { signature, authorization } }
}

/** The first offer of a scheme, in one token if it matters. */
export const offerOf = (
  offers: readonly Requirement[],
  scheme: Requirement['scheme'],
  { asset, method }: { asset?: Hex; method?: 'eip3009' | 'permit2' } = {},
): Requirement => {
  const fits = (offer: Requirement) =>
    offer.scheme === scheme &&
    (asset === undefined || offer.asset === asset.toLowerCase()) &&
    (method === undefined || (offer.extra.assetTransferMethod ?? 'eip3009') === method)
  const found = offers.find(fits)
  if (!found) throw new Error(`no offer of ${scheme}`)
  return found
}

/** What a payer signs for Permit2, as it stands in the payload. */
export type Permitted = {
  from: Hex
  permitted: { token: Hex; amount: string }
  spender: Hex
  nonce: string
  deadline: string
  witness: { to: Hex; validAfter: string; facilitator?: Hex }
}

/** Signs an offer of `upto`, or of `exact` by Permit2; `change` alters what is signed. */
export const signPermit2 = async (
  account: LocalAccount,
  offer: Requirement,
  change: Partial<Permitted> = {},
) => {
  const now = Math.floor(Date.now() / 1000)
  const upto = offer.scheme === 'upto'
  const signed: Permitted = {
    from: account.address,
    permitted: { token: offer.asset, amount: offer.amount },
    spender: upto ? UPTO_PROXY : EXACT_PROXY,
    nonce: BigInt(`0x${randomBytes(32).toString('hex')}`).toString(),
    deadline: String(now + offer.maxTimeoutSeconds),
    witness: {
      to: offer.payTo,
      validAfter: String(now - 600),
      ...(upto && { facilitator: offer.extra.facilitatorAddress! }),
    },
    ...change,
  }
  const { permitted, spender, nonce, deadline, witness } = signed
  const signature = await account.signTypedData({
    domain: permit2Domain(Number(offer.network.split(':')[1])),
    types: upto ? PERMIT2_UPTO_TYPES : PERMIT2_EXACT_TYPES,
    primaryType: 'PermitWitnessTransferFrom',
    message: {
      permitted: { token: permitted.token, amount: BigInt(permitted.amount) },
      spender,
      nonce: BigInt(nonce),
      deadline: BigInt(deadline),
      witness: { ...witness, validAfter: BigInt(witness.validAfter) },
    },
  } as Parameters<LocalAccount['signTypedData']>[0])
  return { x402Version: 2, accepted: offer, payload: { signature, permit2Authorization: signed } }
}

export const header = (payload: unknown): string => Buffer.from(JSON.stringify(payload)).toString('base64')

export const post = (
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(signal && { signal }),
  })

/** Asks, signs the first offer and asks again. */
export const buy = async (
  url: string,
  account: LocalAccount,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> => {
  const asked = await post(url, body, headers)
  if (asked.status !== 402) return asked
  const payload = await signOffer(account, offersOf(asked)[0]!)
  return post(url, body, { ...headers, 'payment-signature': header(payload) })
}

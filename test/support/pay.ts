import { randomBytes } from 'node:crypto'
import type { Hex, LocalAccount } from 'viem'
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

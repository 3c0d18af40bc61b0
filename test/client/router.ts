import { createHash } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import type { Clock } from '../../src/clock.ts'
import { type Code, errorBody, REFUSALS } from '../../src/errors.ts'
import type { ChannelConfig } from '../../src/wire/contracts.ts'
import { word } from '../../src/wire/fields.ts'
import type { Requirement } from '../../src/wire/payment.ts'
import { RECEIPT_TYPES, type Receipt, receiptDomain, type SignedReceipt } from '../../src/wire/receipt.ts'

export const CHAIN = 'eip155:84532'
export const TOKEN = '0x00000000000000000000000000000000000000aa'
export const PAY_TO = '0x00000000000000000000000000000000000000bb'
const signer = privateKeyToAccount(generatePrivateKey())
export const SIGNER = signer.address.toLowerCase() as `0x${string}`

/** The token of these tests, as a policy allows it. */
export const TOKENS = [{ chain: CHAIN, address: TOKEN, decimals: 6, symbol: 'TEST' }]

/** One request as the scripted router saw it; `paid` is the payment it carried, decoded. */
export type Ask = {
  method: string
  path: string
  headers: IncomingHttpHeaders
  body: string
  paid: Paid | undefined
  response: ServerResponse
}
export type Paid = {
  header: string
  accepted: Requirement
  payload: {
    signature: string
    authorization: {
      from: `0x${string}`
      value: string
      validAfter: string
      validBefore: string
      nonce: `0x${string}`
    }
    permit2Authorization: PermitShown
    type?: 'voucher' | 'deposit' | 'refund'
    channelConfig: ChannelConfig
    voucher: { channelId: Hex; maxClaimableAmount: string; signature: Hex }
    deposit?: { amount: string; authorization: Record<string, Record<string, string>> }
  }
  extensions?: Record<string, { info: Record<string, string> }>
}
export type PermitShown = {
  from: Hex
  permitted: { token: Hex; amount: string }
  spender: Hex
  nonce: string
  deadline: string
  witness: { to: Hex; validAfter: string; facilitator?: Hex }
}
type Hex = `0x${string}`

/** `shown` counts the paid requests, this one included; it is 0 for an unpaid one. */
export type Script = (ask: Ask, shown: number) => unknown

export type Router = {
  url: string
  chat: string
  seen: Ask[]
  paid: () => Ask[]
  script: (next: Script) => void
  close: () => Promise<void>
}

/** A router that asks for one cent and answers; a test scripts what it does wrong. */
export const startRouter = async (): Promise<Router> => {
  let script: Script = honest
  const seen: Ask[] = []
  const paid = () => seen.filter((ask) => ask.paid)
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const ask: Ask = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(parts).toString('utf8'),
      paid: decode(request.headers['payment-signature']),
      response,
    }
    seen.push(ask)
    await script(ask, ask.paid ? paid().length : 0)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    chat: `${url}/v1/chat/completions`,
    seen,
    paid,
    script: (next) => {
      script = next
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export const honest: Script = (ask) => (ask.paid ? answer(ask) : demand(ask))

export const offer = (change: Partial<Requirement> = {}): Requirement => ({
  scheme: 'exact',
  network: CHAIN,
  amount: '10000',
  asset: TOKEN,
  payTo: PAY_TO,
  maxTimeoutSeconds: 300,
  extra: { name: 'USD Coin', version: '2', quote: 'sealed', signer: SIGNER },
  ...change,
})

/** Answers 402 with these offers; `code` says why. */
export const demand = (
  { response }: Ask,
  offers: readonly unknown[] = [offer()],
  code: Code = 'payment_required',
  more: object = {},
  extensions?: object,
): void => {
  const required = {
    x402Version: 2,
    error: code,
    resource: { url: 'r', description: '', mimeType: '' },
    accepts: offers,
    ...(extensions && { extensions }),
  }
  const header = Buffer.from(JSON.stringify(required)).toString('base64')
  response.writeHead(402, { 'content-type': 'application/json', 'payment-required': header })
  response.end(JSON.stringify({ ...errorBody(code), ...more }))
}

/** Refuses as the table of refusals says. */
export const refuse = ({ response }: Ask, code: Code, headers: Record<string, string> = {}): void => {
  response.writeHead(REFUSALS[code].status, {
    'content-type': 'application/json',
    'x-should-retry': 'false',
    ...headers,
  })
  response.end(JSON.stringify(errorBody(code)))
}

export const ANSWER = JSON.stringify({
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
})
export const CALL = 'call_test'

/** A good answer with its receipt; `change` alters the receipt before it is signed, `extra` goes into PAYMENT-RESPONSE. */
export const answer = async (
  ask: Ask,
  change: Partial<Receipt> = {},
  text = ANSWER,
  extra?: object,
): Promise<void> => {
  const signed = await sign({ ...receiptFor(ask, text), ...change })
  ask.response.writeHead(200, {
    'content-type': 'application/json',
    'x-farebox-call': CALL,
    'payment-response': settleResponse(signed, extra),
  })
  ask.response.end(text)
}

export const settleResponse = (signed: SignedReceipt, extra?: object): string =>
  Buffer.from(
    JSON.stringify({
      success: true,
      transaction: '',
      network: CHAIN,
      payer: signed.receipt.payer,
      amount: signed.receipt.signed,
      extensions: { farebox: signed },
      ...(extra && { extra }),
    }),
  ).toString('base64')

export const sha256 = (text: string): `0x${string}` => `0x${createHash('sha256').update(text).digest('hex')}`

export const receiptFor = (ask: Pick<Ask, 'paid'>, text: string): Receipt => ({
  callId: CALL,
  quoteId: 'quote_test',
  issuedAt: 1,
  chain: CHAIN,
  asset: TOKEN,
  ...whoPaid(ask.paid!.payload),
  payTo: PAY_TO,
  quoted: ask.paid!.accepted.amount,
  signed: ask.paid!.accepted.amount,
  creditUsed: '0',
  charged: '14',
  credited: (BigInt(ask.paid!.accepted.amount) - 14n).toString(),
  modelAsked: 'test/small',
  modelAnswered: 'test/small',
  provider: 'up',
  inputTokens: 10,
  cachedTokens: 0,
  outputTokens: 2,
  usageSource: 'reported',
  outcome: 'served',
  // Of a body that is no chat request the client knows no digest, and compares none.
  requestDigest: sha256('request'),
  responseDigest: sha256(text),
  transaction: sha256('transaction'),
})

const whoPaid = (payload: Paid['payload']): Pick<Receipt, 'payer' | 'nonce'> => {
  const { authorization: exact, permit2Authorization: permit, channelConfig, voucher } = payload
  if (exact) return { payer: exact.from, nonce: exact.nonce }
  if (permit) return { payer: permit.from, nonce: word(BigInt(permit.nonce)) }
  return { payer: channelConfig.payer, nonce: voucher.channelId }
}

/** Signs with viem and the public types alone, as any other implementation would. */
export const sign = async (receipt: Receipt, account = signer): Promise<SignedReceipt> => {
  const { chain, ...rest } = receipt
  const signature = await account.signTypedData({
    domain: receiptDomain(Number(chain.split(':')[1])),
    types: RECEIPT_TYPES,
    primaryType: 'Receipt',
    message: {
      ...rest,
      issuedAt: BigInt(rest.issuedAt),
      quoted: BigInt(rest.quoted),
      signed: BigInt(rest.signed),
      creditUsed: BigInt(rest.creditUsed),
      charged: BigInt(rest.charged),
      credited: BigInt(rest.credited),
      inputTokens: BigInt(rest.inputTokens),
      cachedTokens: BigInt(rest.cachedTokens),
      outputTokens: BigInt(rest.outputTokens),
    },
  })
  return { receipt, signer: account.address.toLowerCase() as `0x${string}`, signature }
}

/** A clock that jumps ahead instead of waiting. */
export const jumpingClock = (): Clock & { jump: (ms: number) => void } => {
  let ahead = 0
  return {
    now: () => Date.now() + ahead,
    sleep: async (ms) => {
      ahead += ms
    },
    jump: (ms) => {
      ahead += ms
    },
  }
}

const decode = (header: string | string[] | undefined): Paid | undefined =>
  typeof header === 'string'
    ? { ...(JSON.parse(Buffer.from(header, 'base64').toString('utf8')) as Paid), header }
    : undefined

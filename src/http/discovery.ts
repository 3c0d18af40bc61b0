import { SIGN_IN_HEADER } from '../accounts/sign-in.ts'
import { NETWORK_HEADER, SIGN_HEADER } from '../call/declare.ts'
import type { Deps } from '../call/deps.ts'
import { NAME_HEADER } from '../call/repeat.ts'
import { printUsd } from '../money.ts'
import type { PaymentWay, Till } from '../quote/offers.ts'
import { CHAT_PATH } from '../wire/chat-door.ts'
import { DOORS } from '../wire/doors.ts'
import { HEADER } from '../wire/payment.ts'

/** `/.well-known/x402`: what can be paid with here and how, within which limits, and who signs and settles. */
export const wellKnown = (deps: Deps, bodyLimit: number) => {
  const { offers, exposure, publicUrl: base } = deps
  return {
    x402Version: 2,
    resources: DOORS.map(({ path }) => ({
      method: 'POST',
      path,
      url: `${base}${path}`,
      priced: 'by request',
      quote: `${base}/v1/quote${path === CHAT_PATH ? '' : `?for=${path}`}`,
    })),
    receiptSigner: offers.signer,
    facilitatorAddress: offers.signer,
    networks: [...new Set(offers.tills.map(({ asset }) => asset.chain))],
    accepts: offers.tills.flatMap((till) => till.ways.map((way) => accepted(deps, till, way))),
    extensions: [
      'payment-identifier',
      'bazaar',
      ...(deps.notary ? ['offer-receipt'] : []),
      ...Object.keys(deps.sponsor.declarations),
    ],
    headers: {
      payment: HEADER.signature,
      call: HEADER.call,
      payer: HEADER.payer,
      network: NETWORK_HEADER,
      ...(deps.notary && { sign: SIGN_HEADER }),
      name: NAME_HEADER,
      signIn: SIGN_IN_HEADER,
    },
    limits: {
      bodyBytes: bodyLimit,
      maxTimeoutSeconds: offers.maxTimeout,
      withdrawDelaySeconds: offers.withdrawDelay,
      settlesFirstAboveUsd: printUsd(exposure.perCall),
      unpaidPerPayerUsd: printUsd(exposure.perPayer),
    },
    account: `${base}/v1/account`,
    docs: { openapi: `${base}/openapi.json`, llms: `${base}/llms.txt`, models: `${base}/v1/models` },
  }
}

/** A way to pay as a 402 offers it, but for what depends on the request. */
const accepted = ({ offers }: Deps, { asset, payTo }: Till, { scheme, method }: PaymentWay) => ({
  scheme,
  network: asset.chain,
  asset: asset.address,
  symbol: asset.symbol,
  decimals: asset.decimals,
  payTo,
  extra: {
    name: asset.name,
    version: asset.version,
    assetTransferMethod: method,
    ...(scheme === 'upto' && { facilitatorAddress: offers.signer }),
    ...(scheme === 'batch-settlement' && {
      receiverAuthorizer: offers.signer,
      withdrawDelay: offers.withdrawDelay,
    }),
  },
})

/** What an operation costs, in OpenAPI: read by catalogues of paid APIs. Source: mppx, x-payment-info; x402scan. */
export const PAYMENT_INFO = {
  offers: [
    {
      method: 'x402',
      intent: 'charge',
      amount: null,
      currency: 'USD',
      description: 'Priced by request: the 402 says the price of exactly this one.',
    },
  ],
  price: { mode: 'dynamic', currency: 'USD' },
  protocols: [{ x402: {} }],
}

/** The same for the whole document. */
export const SERVICE_INFO = {
  categories: ['ai', 'llm'],
  docs: { apiReference: '/openapi.json', llms: '/llms.txt' },
}

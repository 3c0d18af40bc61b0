import type { Hex } from '../assets.ts'

/** Accounts of an asset's book, in its units. Liabilities and income are credit balances. */
export const ACCOUNT = {
  /** What the addresses that are paid hold for us on the chain. */
  chain: 'chain:payTo',
  /** What the channel contract holds, ours and the payers'. */
  escrow: 'chain:escrow',
  /** What the settler holds to pay out. */
  float: 'chain:settler',
  revenue: 'revenue',
  loss: 'loss:unpaid',
  gas: 'gas:expense',
  settlerGas: 'gas:settler',
  /** Received, and nobody knows what for. */
  suspense: 'suspense:in',
  /** What the owner put in or took out. */
  owner: 'owner',
  /** Signed by the payer and not yet proven on the chain. */
  due: (payer: Hex) => `due:${payer}`,
  /** The payer's money for its next calls. */
  credit: (payer: Hex) => `credit:${payer}`,
  /** Credit that open calls hold. */
  held: (payer: Hex) => `held:${payer}`,
  /** Credit that becomes real when its payment is proven. */
  pending: (payer: Hex) => `pending:${payer}`,
  /** Credit on its way back to the payer. */
  payout: (payer: Hex) => `payout:${payer}`,
  /** The payer's money in a channel, less what was charged; `channel` is its id in the contract. */
  channel: (channel: string) => `channel:${channel}`,
} as const

/** What the counter of every budget begins with. */
export const BUDGET = 'budget:'

export const COUNTER = {
  exposure: 'exposure',
  payerExposure: (payer: Hex) => `exposure:${payer}`,
  /** Micro-dollars served and never paid; above zero the payer settles first. */
  unpaid: (payer: Hex) => `unpaid:${payer}`,
  /** Payments of this payer that settled. */
  settled: (payer: Hex) => `settled:${payer}`,
  /** Units signed and not yet moved, by asset and payer: what its balance must cover. */
  signed: (asset: string, payer: Hex) => `signed:${asset}:${payer}`,
  /** Micro-dollars that calls hold and have spent of a budget in one of its windows. */
  budget: (node: string, id: string, window: string) => `${BUDGET}${node}:${id}:${window}`,
} as const

/** The name of a window by the minute in which it begins, UTC: 20261121T2130Z. Names sort by time. */
export const windowName = (ms: number): string => {
  const iso = new Date(ms).toISOString()
  return `${iso.slice(0, 4)}${iso.slice(5, 7)}${iso.slice(8, 13)}${iso.slice(14, 16)}Z`
}

/** When the window of a budget's counter began, ms; undefined for any other counter, and for one without windows. */
export const windowBegan = (counter: string): number | undefined => {
  const [, year, month, day, hour, minute] =
    /^budget:.*:(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)Z$/.exec(counter) ?? []
  return year === undefined
    ? undefined
    : Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute))
}

import type { Sums } from '../reconcile/statement.ts'

/** The columns of a statement, in their order, and what they hold. */
export const COLUMNS = {
  calls: 'calls claimed on that day',
  signed: 'signed for by their payers',
  charged: 'charged for what was delivered',
  credited: 'left over, and given to the payer as credit',
  refunded: 'charged and given back as credit',
  lost: 'charged and never paid',
  settled: 'paid to us on the chain by calls',
  deposits: 'put into channels',
  returned: 'taken back out of channels by their payers',
  claims: 'claimed from channels and paid to us',
  other: 'received beside that, less what was sent',
  payouts: 'credit paid out by the settler',
  funded: 'put into the settler’s balance, less what was taken',
  gas: 'wei that the proven transfers cost',
} as const satisfies Record<keyof Sums, string>

/** What `farebox reconcile --help` says of them. */
export const COLUMNS_HELP = [
  'Columns of a statement, in tokens; calls count on the UTC day of the call, money on that of its block:',
  ...Object.entries(COLUMNS).map(([name, meaning]) => `  ${name.padEnd(9)} ${meaning}`),
  'settled + claims + other is what our balance changed by on the chain, funded − payouts what the settler’s did;',
  'the exit code is 1 when it is not.',
].join('\n')

import { SITE } from '../accounts/node.ts'
import type { Alerts } from '../alerts/alerts.ts'
import type { Clock } from '../clock.ts'
import type { Ledger, Posted } from '../ledger/ledger.ts'
import type { Move, Payable } from '../ledger/moves.ts'
import type { Log } from '../log.ts'

type Facts = { tell: Alerts['tell']; clock: Clock }

const atSite = { at: SITE, path: [] } as const
const FINDING_MS = 30 * 86_400_000
const REORG_MS = 3_600_000

/** Tells each payment that a reorganisation takes back, from now on, by whoever holds this ledger. */
export const tellReorgs = (ledger: Ledger, { tell, clock }: Facts): void => {
  const post = ledger.post.bind(ledger)
  const telling = async (move: Move): Promise<Posted<Payable>> => {
    const posted: Posted<Payable> = await post(move)
    if (move.type === 'reorg' && posted.ok) void tell(...reorgOf(posted.call, clock.now()))
    return posted
  }
  // In its place and not a copy: the epoch of a ledger may be a getter.
  Object.assign(ledger, { post: telling })
}

const reorgOf = (item: Payable, now: number): Parameters<Alerts['tell']> => {
  const { id, chain, token, payer, settlement } = item
  const units = (item.is === 'call' ? item.signed : item.amount).toString()
  const hash = settlement.at === 'settling' ? settlement.hash : ''
  const about = {
    item: id,
    what: item.is === 'call' ? 'payment' : item.task.kind,
    chain,
    token,
    payer,
    units,
    hash,
  }
  const once = { name: `reorg.${id}.${hash}.${Math.floor(now / REORG_MS)}`, forget: now + REORG_MS }
  const path = item.is === 'call' ? (item.account ?? []) : []
  return [{ type: 'payment.reversed', at: path.at(-1) ?? SITE, path, about }, once]
}

/** The same log for whoever reconciles: what it finds is told as well, once each. */
export const tellFindings = (log: Log, { tell, clock }: Facts): Log => ({
  ...log,
  error: (event, fields = {}) => {
    log.error(event, fields)
    if (event !== 'reconcile_differs') return
    const { chain = '', kind = '', hash = '', units = '0', call = '' } = fields
    const about = { chain, kind, hash, units, call }
    const name = `finding.${chain}.${kind}.${hash}.${call}.${units}`
      .replace(/[^\x21-\x7e]/g, '_')
      .slice(0, 200)
    void tell({ type: 'reconcile.finding', ...atSite, about }, { name, forget: clock.now() + FINDING_MS })
  },
})

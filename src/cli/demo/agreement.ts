import type { ChainId } from '../../assets.ts'
import { createChain } from '../../chain/chain.ts'
import { checkInvariants } from '../../ledger/invariants.ts'
import { printUsd, type Usd } from '../../money.ts'
import { reconcile } from '../../reconcile/reconcile.ts'
import type { Printer } from './print.ts'
import type { Scene } from './scene.ts'

/** Shows that the ledger equals the chain, transfer by transfer, and that it keeps what it promises. */
export const agreement = async (print: Printer, { net, router, config }: Scene): Promise<boolean> => {
  print.title('The ledger and the chain')
  const { ledger } = router.deps
  const chain = createChain(`eip155:${net.chainId}` as ChainId, [net.url])
  const tills = config.assets.map(({ payTo, ...asset }) => ({ asset, payTo }))
  const report = await reconcile({ ledger, chain, tills })
  await chain.close()
  for (const finding of report.findings) {
    const units = finding.chain ?? finding.ledger ?? '0'
    print.fact(
      finding.kind,
      `$${printUsd(BigInt(units) as Usd)}  ${finding.hash.slice(0, 18)}…  block ${finding.block}`,
    )
  }
  for (const total of report.totals) {
    print.fact(
      'in all',
      `ledger $${printUsd(BigInt(total.ledger) as Usd)}, chain $${printUsd(BigInt(total.chain) as Usd)}`,
    )
  }
  const violations = await checkInvariants(ledger, { now: Date.now(), exposure: config.exposure })
  for (const one of violations) print.line('bad', `${one.invariant}: ${one.subject} ${one.detail}`)
  const well = report.agrees && violations.length === 0
  print.line(
    well ? 'good' : 'bad',
    well ? 'they agree to the last unit, and every promise of the ledger holds' : 'they differ',
  )
  return well
}

import type { Ledger } from './ledger.ts'
import type { Payable } from './moves.ts'

/** The call or the errand of this id, as it stands now. */
export const payableOf = async (
  ledger: Pick<Ledger, 'call' | 'errand'>,
  id: string,
): Promise<Payable | undefined> => (await ledger.call(id)) ?? (await ledger.errand(id))

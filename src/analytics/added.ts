import { PAID, type Place, rowId, TIMED } from './places.ts'
import { gain, hasPayment, isNothing, plus, type Sums, unpaying, untimed } from './sums.ts'

/** What is added to a row; `own`: the sums are this row's alone, and may be changed. */
export type Added = { place: Place; sums: Sums; own: boolean }

/** Adds sums to the row of a place, as far as they are kept there. */
export const put = (added: Map<string, Added>, place: Place, kinds: Kinds): void => {
  const sums = (PAID.has(place.dim) ? kinds.paid : kinds.unpaid)[TIMED.has(place.dim) ? 'timed' : 'untimed']
  if (!sums) return
  const id = rowId(place)
  const before = added.get(id)
  if (!before) added.set(id, { place, sums, own: false })
  else if (before.own) gain(before.sums, sums)
  else added.set(id, { place, sums: plus(before.sums, sums), own: true })
}

/** What is added to places of each kind; undefined where that is nothing. */
export type Kinds = Record<'paid' | 'unpaid', Record<'timed' | 'untimed', Sums | undefined>>

/** Sums as places of each kind keep them. */
export const kindsOf = (sums: Sums): Kinds => {
  const both = (one: Sums) => {
    const bare = untimed(one)
    return {
      timed: isNothing(one) ? undefined : one,
      untimed: isNothing(bare) ? undefined : bare,
    }
  }
  const paid = both(sums)
  return { paid, unpaid: hasPayment(sums) ? both(unpaying(sums)) : paid }
}

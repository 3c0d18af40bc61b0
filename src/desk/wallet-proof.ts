/** That a wallet is whose who names it: else anybody could bind the calls of others. */
import { type Actor, may } from '../accounts/roles.ts'
import { personalDigest } from '../accounts/sign-in.ts'
import type { Hex } from '../assets.ts'
import { curve } from '../chain/signatures.ts'
import { fail } from '../errors.ts'

/** What the wallet signs (`personal_sign`, EIP-191) to pay for the keys of a user at this router. */
export const walletText = (wallet: string, user: string, site: string): string =>
  `Farebox: ${wallet} pays for ${user} at ${site}`

/** Refuses a wallet that has not signed; who runs the router may name any. */
export const proveWallet = async (
  actor: Actor,
  {
    wallet,
    user,
    signature,
    site,
  }: { wallet: string; user: string; signature: string | undefined; site: string },
): Promise<void> => {
  if (may(actor, 'tree.write', []) === 'yes') return
  const text = walletText(wallet, user, site)
  const signer =
    signature === undefined ? undefined : await curve.recover(personalDigest(text), signature as Hex)
  if (signer?.toLowerCase() === wallet) return
  const problem = `walletSignature: the wallet must sign (personal_sign) "${text}"`
  throw fail('invalid_request', { problem, param: 'walletSignature' })
}

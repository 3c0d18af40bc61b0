/** A second process on the same ledger file: claims what it is told at the word, and answers what became of it. */

import { decode, encode } from '../../src/ledger/codec.ts'
import type { Move } from '../../src/ledger/moves.ts'
import { sqliteLedger } from '../../src/ledger/sqlite.ts'

const ledger = await sqliteLedger(process.argv[2]!)
process.on('message', async (text: string) => {
  const moves = decode<Move[]>(text)
  const posted = await Promise.all(moves.map((move) => ledger.post(move)))
  process.send!(encode(posted))
})
process.on('disconnect', () => void ledger.close())
process.send!('ready')

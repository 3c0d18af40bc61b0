import { expect, test } from 'vitest'
import { createWindow } from '../../src/settle/window.ts'
import { blockHash, fakeChain } from './a-job.ts'

const at = (block: bigint) => ({ block, blockHash: blockHash(block) })

test('while the newest block stands, a look costs one question and takes nothing back', async () => {
  const { chain, facts } = fakeChain({ head: 100n })
  const window = createWindow(chain)
  for (let block = 1n; block <= 50n; block++) window.add(`call_${block}`, at(block))
  expect(await window.takenBack(100n)).toEqual([])
  facts.asked.length = 0
  expect(await window.takenBack(100n)).toEqual([])
  expect(facts.asked).toEqual(['blocks 50'])
})

test('a reorganisation that nobody looked at before newer blocks were added is found all the same', async () => {
  const { chain, facts } = fakeChain({ head: 100n })
  const window = createWindow(chain)
  for (const block of [8n, 9n]) window.add(`call_${block}`, at(block))
  expect(await window.takenBack(100n)).toEqual([])
  facts.replaced.add(9n)
  window.add('call_12', at(12n))
  expect(await window.takenBack(100n)).toEqual(['call_9'])
  window.remove('call_9')
  expect(await window.takenBack(100n)).toEqual([])
})

test('a block that is added below others is looked at with them', async () => {
  const { chain, facts } = fakeChain({ head: 100n })
  const window = createWindow(chain)
  for (const block of [8n, 12n]) window.add(`call_${block}`, at(block))
  expect(await window.takenBack(100n)).toEqual([])
  facts.replaced.add(10n)
  window.add('call_10', at(10n))
  expect(await window.takenBack(100n)).toEqual(['call_10'])
})

test('of a reorganisation every payment in a replaced block is told, and none below it', async () => {
  const { chain } = fakeChain({ replaced: new Set([9n, 10n, 11n]) })
  const window = createWindow(chain)
  for (const block of [8n, 9n, 10n, 11n]) window.add(`call_${block}`, at(block))
  window.add('another_10', at(10n))
  expect(await window.takenBack(100n)).toEqual(['call_11', 'call_10', 'another_10', 'call_9'])
})

test('a payment is told again until it is removed, so that none is forgotten when something fails half-way', async () => {
  const { chain, facts } = fakeChain({ replaced: new Set([9n, 10n]) })
  const window = createWindow(chain)
  window.add('older', at(9n))
  window.add('newer', at(10n))
  facts.down = true
  await expect(window.takenBack(100n)).rejects.toThrow('chain_unavailable')
  facts.down = false
  expect(await window.takenBack(100n)).toEqual(['newer', 'older'])
  window.remove('newer')
  expect(await window.takenBack(100n)).toEqual(['older'])
})

test('a node that does not have a block yet takes nothing back', async () => {
  const { chain, facts } = fakeChain({ head: 9n })
  const window = createWindow(chain)
  window.add('older', at(9n))
  window.add('newer', at(10n))
  expect(await window.takenBack(9n)).toEqual([])
  expect(await window.takenBack(10n)).toEqual([])
  facts.replaced.add(9n)
  expect(await window.takenBack(9n)).toEqual(['older'])
})

test('a payment that moved to another block is watched there, and only there', async () => {
  const { chain } = fakeChain({ replaced: new Set([10n]) })
  const window = createWindow(chain)
  window.add('call', at(10n))
  window.add('call', at(12n))
  expect(await window.takenBack(100n)).toEqual([])
})

test('two versions of one block are told apart by their hash', async () => {
  const { chain } = fakeChain()
  const window = createWindow(chain)
  window.add('standing', at(10n))
  window.add('orphan', { block: 10n, blockHash: `0x${'dd'.repeat(32)}` })
  expect(await window.takenBack(100n)).toEqual(['orphan'])
})

test('what the chain calls final is not watched any more; without that word, what is a thousand blocks deep', async () => {
  const { chain, facts } = fakeChain({ head: 5_000n, finalized: 20n })
  const window = createWindow(chain)
  for (const block of [19n, 20n, 21n]) window.add(`call_${block}`, at(block))
  await window.prune(5_000n)
  facts.replaced = new Set([19n, 20n, 21n])
  expect(await window.takenBack(5_000n)).toEqual(['call_21'])

  const old = createWindow(fakeChain({ head: 1_021n, replaced: new Set([21n, 22n]) }).chain)
  for (const block of [21n, 22n]) old.add(`call_${block}`, at(block))
  await old.prune(1_021n)
  expect(await old.takenBack(1_021n)).toEqual(['call_22'])
})

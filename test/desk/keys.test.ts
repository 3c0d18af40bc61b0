import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { expect, test } from 'vitest'
import { createDesk } from '../../src/desk/desk.ts'
import { keyOperations } from '../../src/desk/keys.ts'
import { nodeOperations } from '../../src/desk/nodes.ts'
import { walletText } from '../../src/desk/wallet-proof.ts'
import type { Refusal } from '../../src/errors.ts'
import { actorOf, deskWorld, ROOT } from '../support/desk.ts'

const SITE = 'https://router.example.com'

const open = async () => {
  const world = await deskWorld()
  const { records, clock } = world
  const operations = { ...keyOperations({ site: SITE }), ...nodeOperations() }
  const desk = createDesk({ operations, records, clock, approve: async () => [] })
  return { ...world, desk }
}

test('nobody binds the calls of a wallet that has not said yes, but who runs the router', async () => {
  const { desk } = await open()
  const account = privateKeyToAccount(generatePrivateKey())
  const thief = privateKeyToAccount(generatePrivateKey())
  const wallet = account.address
  const developer = actorOf([{ role: 'developer', at: 'team_a1' }], 'user_dev')
  const input = { user: 'user_a1', name: 'k', bearer: false, wallet }
  const create = (walletSignature?: string) =>
    desk.run(developer, 'key.create', { ...input, ...(walletSignature && { walletSignature }) })
  const asked: Refusal = await create().then(
    () => expect.fail('it was made'),
    (error) => error,
  )
  expect(asked).toMatchObject({ code: 'invalid_request', details: { param: 'walletSignature' } })
  const message = /"(Farebox: .*)"$/.exec(String(asked.details['problem']))![1]!
  expect(message).toBe(walletText(wallet.toLowerCase(), 'user_a1', SITE))
  // What people and agents get to see is cut at 200 characters: it must still be whole.
  expect(String(asked.details['problem']).length).toBeLessThan(200)
  const others = walletText(wallet.toLowerCase(), 'user_a2', SITE)
  for (const signature of [
    await thief.signMessage({ message }),
    await account.signMessage({ message: others }),
    `0x${'00'.repeat(65)}`,
    `0x${'ff'.repeat(65)}`,
  ])
    await expect(create(signature)).rejects.toMatchObject({ code: 'invalid_request' })
  await expect(create(await account.signMessage({ message }))).resolves.toMatchObject({
    node: { key: { wallet: wallet.toLowerCase() } },
  })
  const other = privateKeyToAccount(generatePrivateKey()).address
  await expect(desk.run(ROOT, 'key.create', { ...input, wallet: other })).resolves.toBeDefined()
})

test('who may less does not freeze, move or delete who may more', async () => {
  const { desk, change } = await open()
  await change('user_a1', { grants: [{ role: 'owner', at: 'org_a' }] })
  const admin = actorOf([{ role: 'admin', at: 'team_a1' }], 'user_admin')
  for (const [name, input] of [
    ['node.freeze', { id: 'user_a1', frozen: true }],
    ['node.delete', { id: 'user_a1' }],
  ] as const)
    await expect(desk.run(admin, name, input), name).rejects.toMatchObject({ code: 'forbidden' })
  await change('user_a1', { grants: [{ role: 'developer', at: 'team_a1' }] })
  await desk.run(admin, 'node.freeze', { id: 'user_a1', frozen: true })
})

test('nothing is made below what was deleted, however far above, and nothing comes back from there', async () => {
  const { desk, records } = await open()
  const run = (name: string, input: object) => desk.run(ROOT, name, input)
  const { node: key } = (await run('key.create', { user: 'user_a1', name: 'k' })) as { node: { id: string } }
  await run('node.delete', { id: 'team_a1' })
  const wallet = privateKeyToAccount(generatePrivateKey()).address.toLowerCase()
  for (const [name, input] of [
    ['key.create', { user: 'user_a1', name: 'late', wallet }],
    ['key.rotate', { id: key.id }],
    ['node.move', { id: 'user_a1', to: 'org_a' }],
    ['node.move', { id: key.id, to: 'user_a2' }],
  ] as const)
    await expect(run(name, input), name).rejects.toMatchObject({ code: 'taken_here' })
  expect(await records.get('names', `wallet:${wallet}`)).toBeUndefined()
})

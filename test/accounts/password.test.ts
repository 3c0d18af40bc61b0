import { expect, test } from 'vitest'
import { createPasswords, isSame, newPassword } from '../../src/accounts/password.ts'
import { CHEAP } from '../support/desk.ts'

const cheap = () => createPasswords({ cost: CHEAP })
const RIGHT = 'correct horse battery'

test('a password is known again, any other is not, and no two are kept alike', async () => {
  const passwords = cheap()
  const [one, two] = await Promise.all([passwords.hash(RIGHT), passwords.hash(RIGHT)])
  expect(one).not.toBe(two)
  expect(one).toMatch(/^\$scrypt\$ln=4,r=8,p=1\$[\w-]{22}\$[\w-]{43}$/)
  expect(one).not.toContain(RIGHT)
  expect(await passwords.verify(RIGHT, one)).toBe(true)
  for (const wrong of ['', 'correct horse batterz', `${RIGHT} `, RIGHT.toUpperCase()])
    expect(await passwords.verify(wrong, one)).toBe(false)
})

test('the same letters typed on another keyboard are the same password', async () => {
  const passwords = cheap()
  expect(await passwords.verify('Gru\u0308n-und-Blau', await passwords.hash('Gr\u00fcn-und-Blau'))).toBe(true)
})

test('what is kept cannot be opened when it is nothing or not ours', async () => {
  const passwords = cheap()
  for (const kept of [undefined, '', 'plain', '$scrypt$ln=40,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$', RIGHT])
    expect(await passwords.verify(RIGHT, kept)).toBe(false)
})

test('a password that was kept with less work is still right, and said to be old', async () => {
  const kept = await createPasswords({ cost: { logN: 3, r: 8, p: 1 } }).hash(RIGHT)
  const passwords = cheap()
  expect(await passwords.verify(RIGHT, kept)).toBe(true)
  expect(passwords.isOld(kept)).toBe(true)
  expect(passwords.isOld(await passwords.hash(RIGHT))).toBe(false)
})

test('by default it costs an attacker 32 MB a guess', async () => {
  expect(await createPasswords().hash(RIGHT)).toMatch(/^\$scrypt\$ln=15,r=8,p=1\$/)
})

test('more than may wait are told to come back, and the others are served', async () => {
  const passwords = createPasswords({ cost: { logN: 10, r: 8, p: 1 }, waiting: 3 })
  const kept = await passwords.hash(RIGHT)
  const all = await Promise.allSettled(Array.from({ length: 8 }, () => passwords.verify(RIGHT, kept)))
  const served = all.filter((one) => one.status === 'fulfilled')
  const refused = all.filter((one) => one.status === 'rejected')
  expect(served.map(({ value }) => value)).toEqual([true, true, true, true, true])
  expect(refused.map(({ reason }) => [reason.code, reason.status])).toEqual(
    Array(3).fill(['rate_limited', 429]),
  )
  // Their places are free again.
  expect(await passwords.verify(RIGHT, kept)).toBe(true)
})

test.each([
  ['elevenchars', false],
  ['twelve chars', true],
  ['aaaaaaaaaaaaaaaaaaaa', false],
  [`${'x'.repeat(100)}abcdefgh`, true],
  ['abcdefgh'.repeat(30), false],
])('%s may be a password: %s', (text, may) => {
  expect(newPassword.safeParse(text).success).toBe(may)
})

test('an unknown name costs as much time as a known one', async () => {
  const passwords = createPasswords({ cost: { logN: 12, r: 8, p: 1 } })
  const kept = await passwords.hash(RIGHT)
  const known = await medianOf(15, () => passwords.verify('a wrong password', kept))
  const unknown = await medianOf(15, () => passwords.verify('a wrong password', undefined))
  expect(unknown).toBeGreaterThan(known / 4)
  expect(known).toBeGreaterThan(unknown / 4)
})

test('secrets are compared in a time that does not tell where they differ', async () => {
  // Texts so long that an early exit would show by orders of magnitude, hashing included.
  const secret = 'a'.repeat(200_000)
  const first = `b${secret.slice(1)}`
  const last = `${secret.slice(1)}b`
  expect([isSame(secret, secret), isSame(secret, first), isSame(secret, last), isSame(secret, '')]).toEqual([
    true,
    false,
    false,
    false,
  ])
  const early = await medianOf(101, async () => isSame(secret, first))
  const late = await medianOf(101, async () => isSame(secret, last))
  expect(early).toBeGreaterThan(late / 5)
  expect(late).toBeGreaterThan(early / 5)
})

const medianOf = async (times: number, work: () => Promise<unknown>): Promise<number> => {
  const all: number[] = []
  for (let i = 0; i < times; i++) {
    const began = process.hrtime.bigint()
    await work()
    all.push(Number(process.hrtime.bigint() - began))
  }
  return all.toSorted((a, b) => a - b)[Math.floor(times / 2)]!
}

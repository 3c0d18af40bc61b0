import { expect, test } from 'vitest'
import { deskProblems } from '../../src/config/desk.ts'

const archive = { file: undefined, keepDays: 7 }
const operator = { name: 'ada', passwordEnv: 'ADA' }
const file = (more: object = {}) =>
  ({
    operators: [operator],
    approvalHours: 24,
    wallets: { allow: true, budgets: [] },
    ...more,
  }) as unknown as Parameters<typeof deskProblems>[0]
const env = { ADA: 'a long enough password' }

test('operators are told what they lack, by the names of the settings', () => {
  expect(deskProblems(file(), archive, env)).toEqual([])
  expect(deskProblems(file(), archive, { ADA: 'short' })).toEqual([
    'desk.operators.0.passwordEnv: set ADA to 12 characters or more',
  ])
  expect(deskProblems(file({ operators: [{ name: 'ada' }] }), archive, env)).toEqual([
    'desk.operators.0: needs passwordEnv or wallet',
  ])
  expect(deskProblems(file({ operators: [operator, operator] }), archive, env)).toEqual([
    'desk.operators: ada is there twice',
  ])
  expect(deskProblems(file({ operators: [{ ...operator, name: 'cli' }] }), archive, env)).toEqual([
    'desk.operators: cli is the name of the command line',
  ])
})

test('budgets of unknown wallets that share a name are refused: they would count twice', () => {
  const budgets = ['day', 'month'].map((per) => ({ id: 'same', per, window: 'calendar', limit: '1' }))
  expect(deskProblems(file({ wallets: { allow: true, budgets } }), archive, env)).toEqual([
    'desk.wallets.budgets: same is there twice',
  ])
})

test('an approval is not good for longer than its use is remembered', () => {
  const kept = { file: 'past.db', keepDays: 1 }
  expect(deskProblems(file(), kept, env)).toEqual([])
  expect(deskProblems(file({ approvalHours: 25 }), kept, env)).toEqual([
    'desk.approvalHours: must be at most archive.keepDays (1 days)',
  ])
})

import type { Budget } from '../../../accounts/node.ts'
import type { NodeView } from '../../../desk/tree.ts'
import { meter } from './charts.ts'
import type { Field } from './form-parts.ts'
import { field } from './form-parts.ts'
import { type Child, type Html, tags } from './tags.ts'
import { ago, percent, shareOf, UNKNOWN, usd } from './words.ts'

const { div, fieldset, input, legend, span } = tags

const PER: Readonly<Record<Budget['per'], string>> = {
  call: 'a call',
  hour: 'an hour',
  day: 'a day',
  month: 'a month',
  total: 'in total',
}

type Spent = NodeView['spent'][number] & { held?: string }

/** What colour a share of a limit has; a word says the same beside it. */
const toneOf = (share: number | undefined): 'plain' | 'warn' | 'bad' =>
  share === undefined || share < 0.8 ? 'plain' : share < 1 ? 'warn' : 'bad'

/** One budget as a bar: what is used and held of its limit, and when it begins anew. */
const budgetBar = (budget: Budget, spent: Spent | undefined, now: number): Html => {
  const share = shareOf(spent?.used, budget.limit)
  const held = shareOf(spent?.held, budget.limit) ?? 0
  const tone = toneOf(share)
  const limit = `${usd(budget.limit)} ${PER[budget.per]}`
  if (budget.per === 'call')
    return div({ class: 'budget' }, div({ class: 'words' }, span(`at most ${limit}`), soft(budget)))
  const used = spent === undefined ? UNKNOWN : usd(spent.used)
  return div(
    { class: 'budget' },
    meter({
      posted: (share ?? 0) - held,
      held,
      tone,
      spoken: `${used} used or held of ${limit}${share === undefined ? '' : `, ${percent(share, 0)}`}`,
    }),
    div(
      { class: 'words' },
      span(
        { class: tone === 'plain' ? undefined : `${tone}-text` },
        `${used} of ${limit}`,
        share === undefined ? undefined : ` · ${percent(share, 0)}`,
      ),
      span({ class: 'muted' }, soft(budget), spent?.resets === undefined ? '' : 'anew ', resets(spent, now)),
    ),
  )
}

const soft = ({ kind }: Budget): Child => (kind === 'soft' ? 'told only · ' : undefined)
const resets = (spent: Spent | undefined, now: number): Child =>
  spent?.resets === undefined ? undefined : ago(spent.resets, now)

/** All budgets of a node; a dash for none. */
export const budgetBars = (node: Pick<NodeView, 'budgets' | 'spent'>, now: number): Child =>
  node.budgets.length === 0
    ? span({ class: 'muted' }, 'no budget of its own')
    : node.budgets.map((one) =>
        budgetBar(
          one,
          node.spent.find(({ budget }) => budget === one.id),
          now,
        ),
      )

const OPTIONS = {
  per: [
    ['call', 'call'],
    ['hour', 'hour'],
    ['day', 'day'],
    ['month', 'month'],
    ['total', 'all time'],
  ],
  kind: [
    ['hard', 'refuse calls beyond it'],
    ['soft', 'only tell'],
  ],
  window: [
    ['calendar', 'calendar'],
    ['rolling', 'rolling'],
  ],
} as const

/** The fields of a list of budgets, the last of them for a new one; a budget whose limit is emptied is taken away. */
export const budgetFields = (
  formId: string,
  budgets: readonly Budget[],
  values?: ReadonlyMap<string, string>,
): Child[] => [
  input({ type: 'hidden', name: 'budgets:array', value: '' }),
  ...[...budgets, undefined].map((one, at) => {
    const put = (name: string, kind = ''): Pick<Field, 'name'> => ({ name: `budgets.${at}.${name}${kind}` })
    const own = (field_: Field): Html =>
      field(formId, { ...field_, value: values?.get(field_.name) ?? field_.value })
    return fieldset(
      legend(one === undefined ? 'A new budget' : `Budget ${at + 1}`),
      one !== undefined && input({ type: 'hidden', name: `budgets.${at}.id`, value: one.id }),
      div(
        { class: 'fields' },
        own({
          ...put('limit', ':need'),
          label: 'Limit, USD',
          value: one?.limit,
          inputmode: 'decimal',
          hint: one === undefined ? 'Leave empty for none' : 'Empty it to take this budget away',
        }),
        own({ ...put('per'), label: 'For each', value: one?.per ?? 'month', options: OPTIONS.per }),
        own({ ...put('kind'), label: 'When passed', value: one?.kind ?? 'hard', options: OPTIONS.kind }),
        own({ ...put('window'), label: 'Window', value: one?.window ?? 'calendar', options: OPTIONS.window }),
        own({ ...put('zone'), label: 'Time zone', value: one?.zone ?? 'UTC' }),
        own({
          ...put('alerts', ':numbers'),
          label: 'Tell at, %',
          value: (one?.alerts ?? [50, 80, 100]).join(', '),
        }),
      ),
    )
  }),
]

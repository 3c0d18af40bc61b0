import type { Rules } from '../../../accounts/node.ts'
import type { Field } from './form-parts.ts'

const STRATEGIES = ['balanced', 'cost', 'latency', 'availability']

/** The fields of all rules of a node; one that is left empty does not limit. */
export const ruleFields = (rules: Rules): Field[] => {
  const list = (values: readonly string[] | undefined) => values?.join(', ')
  return [
    {
      name: 'rules.models:list',
      label: 'Models',
      value: list(rules.models),
      hint: 'Ids, also with * at the end; empty: all',
    },
    {
      name: 'rules.strategies:list',
      label: 'Strategies that may be chosen',
      value: list(rules.strategies),
      hint: STRATEGIES.join(', '),
    },
    {
      name: 'rules.strategy',
      label: 'Strategy of who does not choose',
      value: rules.strategy ?? '',
      options: [['', 'the router’s own'], ...STRATEGIES.map((one) => [one, one] as const)],
    },
    {
      name: 'rules.maxPerCall',
      label: 'Most a call may cost, USD',
      value: rules.maxPerCall,
      inputmode: 'decimal',
    },
    {
      name: 'rules.approveAbove',
      label: 'Ask for approval above, USD',
      value: rules.approveAbove,
      inputmode: 'decimal',
    },
    { name: 'rules.chains:list', label: 'Chains', value: list(rules.chains), hint: 'Such as eip155:8453' },
    { name: 'rules.assets:list', label: 'Tokens', value: list(rules.assets), hint: 'Such as USDC' },
    {
      name: 'rules.addresses:list',
      label: 'Addresses that may call',
      value: list(rules.addresses),
      hint: 'Such as 10.0.0.0/8',
    },
    {
      name: 'rules.expires:time',
      label: 'Ends at (UTC)',
      type: 'datetime-local',
      value: rules.expires === undefined ? undefined : new Date(rules.expires).toISOString().slice(0, 16),
    },
    {
      name: 'rules.perMinute:number',
      label: 'Calls a minute',
      value: rules.perMinute === undefined ? undefined : String(rules.perMinute),
      inputmode: 'numeric',
    },
    {
      name: 'rules.fourEyes:bool',
      label: 'A second person',
      value: String(rules.fourEyes ?? false),
      options: [
        ['false', 'is not needed'],
        ['true', 'must agree to larger budgets and wider rules'],
      ],
    },
  ]
}

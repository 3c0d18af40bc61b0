/** `npm run eval`: the router against its baselines on splits of the training data; `-- --predict FILE` answers for a judge. */
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    predict: { type: 'string' },
    models: { type: 'string' },
    priors: { type: 'string' },
    'priors-only': { type: 'boolean' },
    setting: { type: 'string' },
    prices: { type: 'string' },
    out: { type: 'string' },
    folds: { type: 'string' },
  },
})

try {
  if (values.predict !== undefined) {
    if (values.models === undefined) throw new Error('--predict needs --models a,b,c')
    const { predict } = await import('./predict.ts')
    await predict({ ...values, predict: values.predict, models: values.models })
  } else {
    const { report } = await import('./report.ts')
    await report({ folds: Number(values.folds ?? 5) })
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}

/** Abilities of labelled models when z is known: logistic regressions that share a prior, which they make together. */
import { sigmoid } from './fit.ts'
import { invert, zeros } from './linear.ts'
import type { Tools } from '../../src/route/difficulty/text.ts'

/** Typical prompts of a benchmark that we have only scores of, written for this purpose. */
export type Reference = { name: string; prompts: string[]; tools?: Tools; scores: Record<string, number> }

/** Outcomes of one model: where the prompts lie, how good the answers were, how much each counts. */
export type Cells = { z: Float32Array[]; value: number[]; weight: number[] }
export type Fitted = { v: number[]; sure: number }

/** z was fitted to the same outcomes, so they say less than they seem to. */
const DISCOUNT = 0.5
const ROUNDS = 6

/** Expectation and maximisation: abilities under the prior, then the prior of these abilities. `sure` is 0 without outcomes. */
export const fitAbilities = (
  cells: readonly Cells[],
  dims: number,
): { prior: { mean: number[]; covariance: number[][] }; abilities: Fitted[] } => {
  const n = dims + 1
  let mean = new Array<number>(n).fill(0)
  mean[0] = 0.7
  let covariance = zeros(n, n)
  for (let i = 0; i < n; i++) covariance[i]![i] = i === 0 ? 1 : 0.3
  let abilities: Fitted[] = []
  const labelled = cells.filter(({ value }) => value.length > 0)
  for (let round = 0; round < ROUNDS; round++) {
    const inverse = invert(covariance)
    const fitted = labelled.map((one) => posterior(one, mean, inverse))
    const next = new Array<number>(n).fill(0)
    for (const { v } of fitted) for (let i = 0; i < n; i++) next[i]! += v[i]! / fitted.length
    const spread = zeros(n, n)
    for (const { v, uncertainty } of fitted)
      for (let i = 0; i < n; i++)
        for (let j = 0; j < n; j++)
          spread[i]![j]! += ((v[i]! - next[i]!) * (v[j]! - next[j]!) + uncertainty[i]![j]!) / (fitted.length + 4)
    for (let i = 0; i < n; i++) spread[i]![i]! += 0.02
    mean = next
    covariance = spread
    let at = 0
    abilities = cells.map(({ value }) => {
      if (value.length === 0) return { v: mean, sure: 0 }
      const { v, uncertainty } = fitted[at++]!
      const trace = uncertainty.reduce((sum, row, i) => sum + row[i]!, 0) / covariance.reduce((sum, row, i) => sum + row[i]!, 0)
      return { v, sure: Math.max(0.6, 1 - 0.5 * trace) }
    })
  }
  return { prior: { mean, covariance }, abilities }
}

const posterior = ({ z, value, weight }: Cells, mean: readonly number[], inverse: number[][]) => {
  const n = mean.length
  let v = [...mean]
  let uncertainty = inverse
  const x = new Float64Array(n)
  for (let step = 0; step < 8; step++) {
    const hessian = inverse.map((row) => [...row])
    const gradient = v.map((_, i) => inverse[i]!.reduce((sum, a, j) => sum + a * (v[j]! - mean[j]!), 0))
    for (const [k, point] of z.entries()) {
      x[0] = 1
      x.set(point, 1)
      let logit = 0
      for (let i = 0; i < n; i++) logit += v[i]! * x[i]!
      const p = sigmoid(logit)
      const slope = DISCOUNT * weight[k]! * (p - value[k]!)
      const bend = DISCOUNT * weight[k]! * Math.max(p * (1 - p), 0.01)
      for (let i = 0; i < n; i++) {
        gradient[i]! += slope * x[i]!
        const row = hessian[i]!
        const bx = bend * x[i]!
        for (let j = 0; j <= i; j++) row[j]! += bx * x[j]!
      }
    }
    for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) hessian[j]![i] = hessian[i]![j]!
    uncertainty = invert(hessian)
    const move = uncertainty.map((row) => row.reduce((sum, a, j) => sum + a * gradient[j]!, 0))
    v = v.map((a, i) => a - move[i]!)
    if (Math.max(...move.map(Math.abs)) < 1e-4) break
  }
  return { v, uncertainty }
}

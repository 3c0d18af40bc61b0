/** Abilities of labelled models when z is known: logistic regressions that share a prior, which they make together. */

import type { Tools } from '../../src/route/difficulty/structure.ts'
import { sigmoid } from './fit.ts'
import { invert, zeros } from './linear.ts'

/** Typical prompts of a benchmark that we have only scores of, written for this purpose. */
export type Reference = { name: string; prompts: string[]; tools?: Tools; scores: Record<string, number> }

/** Outcomes of one model: where the prompts lie, how good the answers were, how much each counts. */
export type Cells = { z: Float32Array[]; value: number[]; weight: number[] }
export type Fitted = { v: number[]; sure: number }

/** Outcomes on one data set are alike: they say less of others than their number. */
const DISCOUNT = 0.7
const ROUNDS = 6

/**
 * Expectation and maximisation: abilities under the prior, then the prior of these abilities. `sure` is 0 without outcomes.
 * A dearer model is expected to be abler in general: where outcomes are few, the price (ln of USD per million) speaks.
 */
export const fitAbilities = (
  cells: readonly Cells[],
  dims: number,
  prices: readonly number[],
): { prior: { mean: number[]; covariance: number[][] }; abilities: Fitted[] } => {
  const n = dims + 1
  let mean = new Array<number>(n).fill(0)
  mean[0] = 0.7
  let covariance = zeros(n, n)
  for (let i = 0; i < n; i++) covariance[i]![i] = i === 0 ? 1 : 0.2
  let abilities: Fitted[] = []
  const labelled = cells.filter(({ value }) => value.length > 0)
  const own = prices.filter((_, m) => cells[m]!.value.length > 0)
  const middle = own.reduce((sum, x) => sum + x, 0) / own.length
  let slope = 0.2
  const expected = (m: number): number[] => mean.map((x, i) => (i === 0 ? x + slope * (own[m]! - middle) : x))
  for (let round = 0; round < ROUNDS; round++) {
    const inverse = invert(covariance)
    const fitted = labelled.map((one, m) => posterior(one, expected(m), inverse))
    const next = new Array<number>(n).fill(0)
    for (const { v } of fitted) for (let i = 0; i < n; i++) next[i]! += v[i]! / fitted.length
    let xy = 0.2 * 10
    let xx = 10
    for (const [m, { v }] of fitted.entries()) {
      xy += (own[m]! - middle) * (v[0]! - next[0]!)
      xx += (own[m]! - middle) ** 2
    }
    slope = Math.max(0.05, xy / xx)
    const spread = zeros(n, n)
    for (const [m, { v, uncertainty }] of fitted.entries()) {
      const off = v.map((x, i) => x - next[i]! - (i === 0 ? slope * (own[m]! - middle) : 0))
      for (let i = 0; i < n; i++)
        for (let j = 0; j < n; j++)
          spread[i]![j]! += (off[i]! * off[j]! + uncertainty[i]![j]!) / (fitted.length + 4)
    }
    for (let i = 0; i < n; i++) spread[i]![i]! += 0.02
    mean = next
    covariance = spread
    let at = 0
    abilities = cells.map(({ value }) => {
      if (value.length === 0) return { v: mean, sure: 0 }
      const { v, uncertainty } = fitted[at++]!
      const trace =
        uncertainty.reduce((sum, row, i) => sum + row[i]!, 0) /
        covariance.reduce((sum, row, i) => sum + row[i]!, 0)
      return { v, sure: Math.max(0.6, 1 - 0.5 * trace) }
    })
  }
  return { prior: { mean, covariance }, abilities }
}

/** Newton's method; a step that makes things worse is halved. */
const posterior = (cells: Cells, mean: readonly number[], inverse: number[][]) => {
  let v = [...mean]
  let now = slopesAt(cells, v, mean, inverse)
  let uncertainty = invert(now.hessian)
  for (let step = 0; step < 25; step++) {
    const move = uncertainty.map((row) => row.reduce((sum, a, j) => sum + a * now.gradient[j]!, 0))
    let size = 1
    let next = now
    let to = v
    for (let tries = 0; tries < 12; tries++, size /= 2) {
      to = v.map((a, i) => a - size * move[i]!)
      next = slopesAt(cells, to, mean, inverse)
      if (next.loss <= now.loss) break
    }
    if (!(next.loss <= now.loss)) break
    const gain = now.loss - next.loss
    v = to
    now = next
    uncertainty = invert(now.hessian)
    if (gain < 1e-5) break
  }
  return { v, uncertainty }
}

const slopesAt = (
  { z, value, weight }: Cells,
  v: readonly number[],
  mean: readonly number[],
  inverse: number[][],
) => {
  const n = mean.length
  const x = new Float64Array(n)
  const hessian = inverse.map((row) => [...row])
  const gradient = v.map((_, i) => inverse[i]!.reduce((sum, a, j) => sum + a * (v[j]! - mean[j]!), 0))
  let loss = gradient.reduce((sum, g, i) => sum + (g * (v[i]! - mean[i]!)) / 2, 0)
  for (const [k, point] of z.entries()) {
    x[0] = 1
    x.set(point, 1)
    let logit = 0
    for (let i = 0; i < n; i++) logit += v[i]! * x[i]!
    const p = sigmoid(logit)
    const w = DISCOUNT * weight[k]!
    loss += w * (Math.log1p(Math.exp(-Math.abs(logit))) + Math.max(logit, 0) - value[k]! * logit)
    const slope = w * (p - value[k]!)
    const bend = w * Math.max(p * (1 - p), 1e-3)
    for (let i = 0; i < n; i++) {
      gradient[i]! += slope * x[i]!
      const row = hessian[i]!
      const bx = bend * x[i]!
      for (let j = 0; j <= i; j++) row[j]! += bx * x[j]!
    }
  }
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) hessian[j]![i] = hessian[i]![j]!
  return { loss, gradient, hessian }
}

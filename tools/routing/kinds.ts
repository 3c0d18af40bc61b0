/** Kinds of prompts by their structure alone: centres of clusters, and how far from them is far. */
import { STRUCTURE } from '../../src/route/difficulty/structure.ts'
import { type Features, random } from './fit.ts'

const KINDS = 32
const ROUNDS = 6
const THIN = 4
/** This share of the training prompts is no further from a centre than where doubt begins. */
const USUAL = 0.97

export const kindsOf = (
  f: Features,
  rows: number,
): { centres: Float32Array; reach: { far: number; width: number } } => {
  const next = random(5)
  const points: Float32Array[] = []
  for (let i = 0; i < rows; i += THIN) points.push(f.structure.subarray(i * STRUCTURE, (i + 1) * STRUCTURE))
  const centres = [points[0]!]
  const nearest = points.map((point) => distance(point, centres[0]!))
  while (centres.length < KINDS) {
    let left = next() * nearest.reduce((sum, x) => sum + x, 0)
    let k = -1
    do {
      k++
      left -= nearest[k]!
    } while (left > 0 && k < points.length - 1)
    centres.push(points[k]!)
    for (const [i, point] of points.entries()) nearest[i] = Math.min(nearest[i]!, distance(point, points[k]!))
  }
  for (let round = 0; round < ROUNDS; round++) settle(points, centres)
  const distances = points
    .map((point) => Math.sqrt(Math.min(...centres.map((centre) => distance(point, centre)))))
    .sort((a, b) => a - b)
  const far = distances[Math.floor(distances.length * USUAL)]!
  const flat = new Float32Array(KINDS * STRUCTURE)
  for (const [k, centre] of centres.entries()) flat.set(centre, k * STRUCTURE)
  return { centres: flat, reach: { far, width: far / 8 } }
}

/** Each centre moves to the mean of the points that are nearest to it. */
const settle = (points: readonly Float32Array[], centres: Float32Array[]): void => {
  const sums = centres.map(() => new Float64Array(STRUCTURE))
  const counts = centres.map(() => 0)
  for (const point of points) {
    let best = 0
    let least = Infinity
    for (const [k, centre] of centres.entries()) {
      const apart = distance(point, centre)
      if (apart < least) {
        least = apart
        best = k
      }
    }
    counts[best]!++
    for (let j = 0; j < STRUCTURE; j++) sums[best]![j]! += point[j]!
  }
  for (const [k, count] of counts.entries())
    if (count > 0) centres[k] = Float32Array.from(sums[k]!, (x) => x / count)
}

const distance = (a: Float32Array, b: Float32Array): number => {
  let sum = 0
  for (let j = 0; j < STRUCTURE; j++) sum += (a[j]! - b[j]!) ** 2
  return sum
}

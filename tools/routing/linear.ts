/** A little linear algebra on rows of numbers: enough for 80 dimensions. */

export const zeros = (rows: number, columns: number): number[][] =>
  Array.from({ length: rows }, () => new Array<number>(columns).fill(0))

/** Lower triangle L with L·Lᵀ = matrix. */
export const cholesky = (matrix: number[][]): number[][] => {
  const n = matrix.length
  const L = zeros(n, n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i]![j]!
      for (let k = 0; k < j; k++) sum -= L[i]![k]! * L[j]![k]!
      L[i]![j] = i === j ? Math.sqrt(Math.max(sum, 1e-12)) : sum / L[j]![j]!
    }
  }
  return L
}

/** Inverse of a lower triangle. */
export const invertLower = (L: number[][]): number[][] => {
  const n = L.length
  const inverse = zeros(n, n)
  for (let c = 0; c < n; c++) {
    for (let i = c; i < n; i++) {
      let sum = i === c ? 1 : 0
      for (let k = c; k < i; k++) sum -= L[i]![k]! * inverse[k]![c]!
      inverse[i]![c] = sum / L[i]![i]!
    }
  }
  return inverse
}

export const multiply = (a: readonly number[][], b: readonly number[][]): number[][] => {
  const out = zeros(a.length, b[0]!.length)
  for (const [i, row] of a.entries())
    for (const [k, x] of row.entries()) {
      if (x === 0) continue
      const other = b[k]!
      for (let j = 0; j < other.length; j++) out[i]![j]! += x * other[j]!
    }
  return out
}

export const transpose = (a: readonly number[][]): number[][] => a[0]!.map((_, j) => a.map((row) => row[j]!))

/** Inverse of a symmetric positive matrix. */
export const invert = (matrix: number[][]): number[][] => {
  const inverse = invertLower(cholesky(matrix))
  return multiply(transpose(inverse), inverse)
}

/** Eigenvectors (as rows, the largest eigenvalue first) of a symmetric matrix, by Jacobi rotations. */
export const eigen = (matrix: readonly number[][]): { values: number[]; vectors: number[][] } => {
  const n = matrix.length
  const a = matrix.map((row) => [...row])
  const v = zeros(n, n)
  for (let i = 0; i < n; i++) v[i]![i] = 1
  for (let sweep = 0; sweep < 40; sweep++) {
    let off = 0
    for (let p = 0; p < n; p++)
      for (let q = p + 1; q < n; q++) {
        const apq = a[p]![q]!
        off += apq * apq
        if (Math.abs(apq) < 1e-14) continue
        const theta = (a[q]![q]! - a[p]![p]!) / (2 * apq)
        const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1))
        const c = 1 / Math.sqrt(t * t + 1)
        const s = t * c
        for (let k = 0; k < n; k++) {
          const x = a[k]![p]!
          const y = a[k]![q]!
          a[k]![p] = c * x - s * y
          a[k]![q] = s * x + c * y
        }
        for (let k = 0; k < n; k++) {
          const x = a[p]![k]!
          const y = a[q]![k]!
          a[p]![k] = c * x - s * y
          a[q]![k] = s * x + c * y
        }
        for (let k = 0; k < n; k++) {
          const x = v[p]![k]!
          const y = v[q]![k]!
          v[p]![k] = c * x - s * y
          v[q]![k] = s * x + c * y
        }
      }
    if (off < 1e-20) break
  }
  const order = a.map((_, i) => i).sort((i, j) => a[j]![j]! - a[i]![i]! || i - j)
  // The sign of an eigenvector is free: the largest part is made positive, so that a run repeats itself.
  const upright = (row: number[]): number[] => {
    const largest = row.reduce((best, x) => (Math.abs(x) > Math.abs(best) + 1e-9 ? x : best), 0)
    return largest < 0 ? row.map((x) => -x) : row
  }
  return { values: order.map((i) => a[i]![i]!), vectors: order.map((i) => upright(v[i]!)) }
}

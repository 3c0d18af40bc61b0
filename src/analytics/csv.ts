/** A cell: text may have come from a caller, a number has not. */
export type CsvCell = string | number | bigint | { number: string }

/** Lines of RFC 4180. Text that a spreadsheet would take for a formula begins with an apostrophe. */
export const csv = (rows: readonly (readonly CsvCell[])[]): string =>
  rows.map((cells) => `${cells.map(cellOf).join(',')}\r\n`).join('')

const cellOf = (cell: CsvCell): string => {
  if (typeof cell === 'object') return cell.number
  if (typeof cell !== 'string') return cell.toString()
  const harmless = FORMULA.test(cell) ? `'${cell}` : cell
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
}

const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/

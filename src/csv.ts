/** A cell: text may have come from a caller, a number has not. */
export type CsvCell = string | number | bigint | { number: string }

/** Lines of RFC 4180, each with its end. Text that a spreadsheet would take for a formula begins with an apostrophe. */
export const csv = (rows: readonly (readonly CsvCell[])[]): string =>
  rows.map((cells) => `${csvLine(cells)}\r\n`).join('')

/** One line, without its end. */
export const csvLine = (cells: readonly CsvCell[]): string => cells.map(cellOf).join(',')

const cellOf = (cell: CsvCell): string => {
  if (typeof cell === 'object') return cell.number
  if (typeof cell !== 'string') return cell.toString()
  const safe = FORMULA.test(cell) ? `'${cell}` : cell
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

// As spreadsheets read it: also behind blanks, and as wide characters.
const FORMULA = /^\s*[=+\-@\t\r\n＝＋－＠]/

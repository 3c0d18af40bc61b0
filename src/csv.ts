/** A cell: text may have come from a caller, a number has not. */
export type CsvCell = string | number | bigint | { number: string }

/** Lines of RFC 4180, each with its end. */
export const csv = (rows: readonly (readonly CsvCell[])[]): string =>
  rows.map((cells) => `${csvLine(cells)}\r\n`).join('')

/** One line, without its end. */
export const csvLine = (cells: readonly CsvCell[]): string => cells.map(cellOf).join(',')

const cellOf = (cell: CsvCell): string => {
  if (typeof cell === 'object') return cell.number
  return typeof cell === 'string' ? csvField(cell) : cell.toString()
}

// As spreadsheets read it: also behind blanks, and as wide characters.
const FORMULA = /^\s*[=+\-@\t\r\n＝＋－＠]/
const NUMBER = /^-?\d+(\.\d+)?$/

/** Text as a field that no spreadsheet runs: what begins like a formula and is no number gets an apostrophe. */
export const csvField = (text: string): string => {
  const safe = FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

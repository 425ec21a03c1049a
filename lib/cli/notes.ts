import { printable } from './printable.js'

/** A line on stderr for the person at the terminal, or in the log: never part of the data. */
export type Note = (text: string) => void

export function notesOf(command: string, quiet: boolean): Note {
  return (text) => {
    if (!quiet) process.stderr.write(`sluice ${command}: ${printable(text)}\n`)
  }
}

import { availableParallelism } from 'node:os'
import { Command } from 'commander'

import { measure, type Measurement } from './demo/measure.js'
import { playPart } from './demo/part.js'
import { transports, type TransportName } from './demo/transports.js'
import { CommandFailure } from './failure.js'
import { openInput } from './files.js'
import { formatBytes } from './format.js'
import { abortAtSignals } from './interruption.js'
import { runProgram } from './program.js'
import { print, printed } from './stdout.js'
import { columns } from './table.js'
import { parseCount } from './values.js'

async function demo(file: string, rounds: number): Promise<void> {
  const stop = new AbortController()
  abortAtSignals(stop)
  const size = await sizeOf(file)
  print(
    `${file}, ${formatBytes(size)}, from one process to another; ${String(availableParallelism())} processors\n`,
  )
  await printed() // nobody may be there to read what the measurement tells
  const ring = await measure('ring', { file, size, rounds }, stop.signal)
  const socket = await measure('socket', { file, size, rounds }, stop.signal)
  print(`\n${resultTable([ring, socket])}\n\n`)
  for (const { sent, received, transport } of [ring, socket]) {
    print(`SHA-256 ${transport.padEnd(7)} sent      ${sent}\n`)
    print(`SHA-256 ${transport.padEnd(7)} received  ${received}\n`)
  }
  print(
    `\nMeasured: from the first write until the last byte lies in the receiver's memory, median of\n` +
      `${String(rounds)} ${rounds === 1 ? 'round' : 'rounds'}. The file is read before and hashed after. ` +
      `Both transports do the same work.\n`,
  )
  const wrong = [ring, socket].filter(({ intact }) => !intact)
  if (wrong.length > 0) {
    const names = wrong.map(({ transport }) => transport).join(' and the ')
    throw new CommandFailure(`the ${names} delivered something else than was sent`)
  }
}

async function sizeOf(file: string): Promise<number> {
  const input = await openInput(file, new AbortController().signal)
  await input.close()
  const { size } = input
  if (size === undefined) throw new CommandFailure(`cannot read ${file}: is not a regular file`)
  return size
}

function resultTable(results: Measurement[]): string {
  const socket = results.find(({ transport }) => transport === 'socket')
  return columns(
    ['TRANSPORT', 'MB', 'SECONDS', 'GB/S', 'RATIO', 'HASH'],
    results.map(({ transport, bytes, seconds, intact }) => [
      transports[transport].title,
      (bytes / 1e6).toFixed(1),
      seconds.toFixed(4),
      (bytes === 0 ? 0 : bytes / 1e9 / seconds).toFixed(2),
      socket === undefined || bytes === 0 ? '-' : `${(socket.seconds / seconds).toFixed(1)}x`,
      intact ? 'ok' : 'DIFFERENT',
    ]),
    [1, 2, 3, 4],
  )
}

const program = new Command('npm start --')
  .description('Sends a file from one process to another: through a ring, then through a socket.')
  .argument('[file]', 'what to send; by default the running node binary', process.execPath)
  .option('--rounds <n>', 'how often; the median counts', parseCount, 5)
  .exitOverride()
  .configureOutput({ writeOut: print })
  .showHelpAfterError('("npm start -- --help" tells more)')
  .action((file: string, { rounds }: { rounds: number }) => demo(file, rounds))

// The two child processes run this same file.
program
  .command('part', { hidden: true })
  .argument('<part>')
  .argument('<transport>')
  .argument('<address>')
  .argument('<file>')
  .action((part: 'send' | 'receive', transport: TransportName, address: string, file: string) =>
    playPart(part, transport, address, file),
  )

void runProgram(program, 'demo').then((code) => process.exit(code))

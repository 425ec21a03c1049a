import { Command, CommanderError, Option } from 'commander'

import { version } from '../index.js'
import { doctor, type DoctorOptions } from './doctor.js'
import { CommandFailure, exitCodes, messageOf } from './failure.js'
import { ls, type LsOptions } from './ls.js'
import { nc, type NcOptions } from './nc.js'
import { printableLines } from './printable.js'
import { recv } from './recv.js'
import { rm, type RmOptions } from './rm.js'
import { echo } from './self_test.js'
import { send, type SendOptions, type TransferOptions } from './send.js'
import { stat, type StatOptions } from './stat.js'
import { print, printed } from './stdout.js'
import {
  parseCapacity,
  parseMode,
  parseOwner,
  parsePipeOwner,
  parsePipeSecurity,
  parseSamplingSeconds,
  parseSeconds,
} from './values.js'

const addressHelp = `
Over a ring whoever comes first makes it. Over an address one side has --listen, and the other
waits until it listens. The two speak a protocol of their own, by which a stream that breaks off is
told from one that ends; for bare bytes there is "sluice nc". Whoever reaches the port of tcp: can be
the other side, and whoever is between can read and change what is sent.`

/** The `sluice` command with all its subcommands. */
export function createProgram(): Command {
  const program = new Command('sluice')
  program
    .description('Bytes from one process to another through shared memory.')
    .version(version, '-V, --version')
    .exitOverride()
    .configureHelp({ helpWidth: 100 })
    .configureOutput({
      writeOut: print,
      outputError: (text, write) => {
        write(`sluice: ${text.replace(/^error: /, '')}${usageOf(program)}\n`)
      },
    })
    .addHelpText(
      'after',
      `
Examples:
  sluice recv backup copy.tar --hash            in one terminal, before or after
  sluice send backup big.tar --hash             in another
  tar c photos | sluice send photos             from standard input
  sluice recv photos | tar x                    to standard output
  sluice ls                                     the rings, and who is at their ends
  sluice stat --watch                           servers, channels and rings, once a second
  sluice rm --dead                              removes those that are empty and that nobody uses

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 and 143 stopped by Ctrl-C or SIGTERM,
141 the reader of standard output is gone.`,
    )

  transferCommand(program, 'send', 'Sends a file, or standard input, to "sluice recv".')
    .argument('[file]', 'what to send; "-" is standard input', '-')
    .option('--no-wait', 'end when all is in the ring, without a receiver having taken it')
    .addHelpText(
      'after',
      `
Ends with exit code 0 when the receiver has taken and written everything. Without --no-wait
nothing is sent before a receiver is there.
${addressHelp}

Examples:
  sluice send backup big.tar
  mysqldump shop | sluice send dump --timeout 60
  sluice send tcp:192.0.2.7:9000 big.tar        to "sluice recv --listen tcp:0.0.0.0:9000" there`,
    )
    .action((target: string, file: string, options: SendOptions) => send(target, file, options))

  transferCommand(program, 'recv', 'Receives what "sluice send" sends.')
    .argument('[file]', 'where to write it; "-" is standard output', '-')
    .addHelpText(
      'after',
      `
Ends with exit code 0 when the sender's end has come and everything is written; the ring is
removed then. A file keeps its old content until the first byte comes.
${addressHelp}

Examples:
  sluice recv backup copy.tar --hash
  sluice recv dump | gzip > dump.gz
  sluice recv --listen unix:/tmp/s copy.tar     from "sluice send unix:/tmp/s big.tar"`,
    )
    .action((target: string, file: string, options: TransferOptions) => recv(target, file, options))

  subcommand(program, 'ls', 'Lists the rings of this machine.')
    .addOption(
      new Option('--interval <seconds>', 'time over which the rates are sampled')
        .argParser(parseInterval)
        .default(500, '0.5'),
    )
    .option('--json', 'as JSON, with sizes in bytes')
    .action((options: LsOptions) => ls(options))

  subcommand(program, 'stat', 'Shows the servers, channels and rings of this user (Linux).')
    .option('-w, --watch', 'again and again, until Ctrl-C')
    .addOption(
      new Option('--interval <seconds>', 'time over which the rates are sampled')
        .argParser(parseSamplingSeconds)
        .default(1000, '1'),
    )
    .option('--json', 'as JSON, a line for each look, with sizes in bytes')
    .option('--all', 'also Unix sockets of processes that do not use sluice')
    .addHelpText(
      'after',
      `
A channel is two rings without a name, one for each way; such a ring is shown by the inode of its
memory. WAITS tells who sleeps: the consumer until there is data, the producer until there is room.
CONNECTIONS have been accepted, WAITING clients have not. On a terminal --watch draws over the last
look; elsewhere each is a block of its own.

Examples:
  sluice stat
  sluice stat --watch --interval 5
  sluice stat --watch --json | jq .rings`,
    )
    .action((options: StatOptions) => stat(options))

  subcommand(program, 'rm', 'Removes rings.')
    .argument('[names...]', 'the rings')
    .option('--force', 'also one that is in use, or no ring; with --dead, one that holds data')
    .option('--dead', 'of all rings, or of those named, the ones whose users are all gone')
    .addHelpText(
      'after',
      `
A ring is refused while a living process sends or receives through it. What is unread in a ring
goes with it; --dead leaves out a ring that holds something unread. On Windows a ring goes with
the last process that has it open, and there is nothing to remove.`,
    )
    .action((names: string[], options: RmOptions) => rm(names, options))

  subcommand(program, 'nc', 'Connects standard input and output to an address.')
    .argument(
      '<address>',
      'unix:/path, unix:@name (abstract, Linux), pipe:name, shm:name or tcp:host:port',
    )
    .option('-l, --listen', 'wait for one connection (with --datagram: for messages)')
    .option('--seqpacket', 'a socket that keeps message boundaries')
    .option('--datagram', 'messages without a connection')
    .option('--message', 'pipe of Windows: keeps message boundaries, and ends when the peer does')
    .option('-v, --verbose', "tell the peer's process, user and group, on Windows more")
    .option('--timeout <seconds>', 'how long to wait for the connection', parseSeconds)
    .addOption(
      new Option(
        '--mode <bits>',
        'with --listen on a path, who may connect, in octal (default: 600)',
      ).argParser(parseMode),
    )
    .option(
      '--security <level>',
      'with --listen on a pipe of Windows, who may connect: current-user (the default), administrators, ' +
        'authenticated-users, or a security descriptor (SDDL)',
      parsePipeSecurity,
    )
    .addOption(
      new Option(
        '--owner <sid|any>',
        "whose pipe of Windows to accept instead of one's own",
      ).argParser(parsePipeOwner),
    )
    .addHelpText(
      'after',
      `
A pipe of Windows without --message cannot be half-closed: it is closed at the end of standard
input. Nobody tells who is at the other end of tcp:, and whoever reaches the port can connect.

Examples:
  sluice nc -v --listen unix:/tmp/s             in one terminal
  echo hello | sluice nc -v unix:/tmp/s         in another
  sluice nc -v --listen tcp:127.0.0.1:0         tells the port that the system chose
  sluice nc -v --message --listen pipe:app      on Windows`,
    )
    .action((address: string, options: NcOptions) => nc(address, options))

  subcommand(program, 'doctor', 'Tells what this machine supports, and tries a ring.')
    .option('--json', 'as JSON')
    .action((options: DoctorOptions) => doctor(options))

  // The child of doctor's self-test.
  program
    .command('echo', { hidden: true })
    .argument('<name>')
    .argument('[homeward]')
    .action((name: string, homeward?: string) => echo(name, homeward))

  return program
}

/** Runs it with the process's arguments; what fails is one line on stderr. Returns the exit code. */
export async function runProgram(program: Command, name = program.name()): Promise<number> {
  let running = name
  program.hook('preAction', (_, action) => {
    if (action !== program) running = `${name} ${action.name()}`
  })
  const code = await exitCodeOf(program.parseAsync(), () => running)
  const outputCode = await exitCodeOf(printed(), () => running)
  return code === 0 ? outputCode : code
}

async function exitCodeOf(work: Promise<unknown>, running: () => string): Promise<number> {
  try {
    await work
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage
    const message = messageOf(error)
    if (message !== '') process.stderr.write(`${running()}: ${printableLines(message)}\n`)
    return error instanceof CommandFailure ? error.exitCode : exitCodes.failed
  }
}

function subcommand(program: Command, name: string, description: string): Command {
  const command = program.command(name).description(description)
  // Not the whole help: the error would scroll away.
  command.configureHelp({ helpWidth: 100 })
  command.configureOutput({
    outputError: (text, write) => {
      write(`sluice ${name}: ${text.replace(/^error: /, '')}${usageOf(command)}\n`)
    },
  })
  return command
}

function transferCommand(program: Command, name: string, description: string): Command {
  return subcommand(program, name, description)
    .argument('<target>', "a ring's name, or an address: unix:, pipe:, shm: or tcp:")
    .option('-l, --listen', 'on an address: wait for the other side to connect')
    .addOption(
      new Option(
        '--capacity <bytes>',
        'room in the ring, if it is made here, or in each of shm: 64K (default: 4M, of shm: 256K)',
      ).argParser(parseCapacity),
    )
    .addOption(
      new Option(
        '--mode <bits>',
        'who may open the ring, if it is made here, or connect to unix:/path, in octal (default: 600)',
      ).argParser(parseMode),
    )
    .option(
      '--owner <user|any>',
      "whose ring to accept beside one's own and root's: a user id, on Windows a SID",
      parseOwner,
    )
    .option(
      '--timeout <seconds>',
      'how long to wait for the other side to come, or to move',
      parseSeconds,
    )
    .option('--hash', 'print the SHA-256 of the bytes to standard error at the end')
    .option('-q, --quiet', 'no progress and no notes')
}

function usageOf(command: Command): string {
  const names = [command.parent?.name(), command.name()].filter((name) => name !== undefined)
  const text = names.join(' ')
  return `Usage: ${text} ${command.usage()}\n("${text} --help" tells more)`
}

function parseInterval(text: string): number {
  return Math.max(1, parseSeconds(text))
}

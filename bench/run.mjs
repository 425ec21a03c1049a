// npm run bench: measures sluice and what else there is, in turns, and prints the ratios.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { Agent, withBuildOf } from './harness/builds.mjs'
import { cleanUp } from './harness/cleanup.mjs'
import { conditions } from './harness/conditions.mjs'
import { disablePinning } from './harness/pinning.mjs'
import { runRow, runScenario } from './harness/rounds.mjs'
import { formatAgainst, rowAgainst } from './report/against.mjs'
import { toReport } from './report/json.mjs'
import { drawPicture } from './report/picture.mjs'
import { formatTable } from './report/table.mjs'
import { capacity } from './scenarios/participants.mjs'
import channelConnections from './scenarios/channel_connections.mjs'
import channelMemory from './scenarios/channel_memory.mjs'
import channelMessages from './scenarios/channel_messages.mjs'
import channelRoundTrip from './scenarios/channel_round_trip.mjs'
import {
  channelStream1Mib,
  channelStream64,
  channelStream64Kib,
} from './scenarios/channel_stream.mjs'
import corked from './scenarios/corked_messages.mjs'
import { oneKib, oneMib, sixtyFourKib } from './scenarios/large_messages.mjs'
import fileTransfer from './scenarios/file_transfer.mjs'
import liveness from './scenarios/liveness.mjs'
import { mechanisms } from './scenarios/mechanisms.mjs'
import roundTrip from './scenarios/round_trip.mjs'
import small from './scenarios/small_messages.mjs'
import socketConnections from './scenarios/socket_connections.mjs'
import socketDescriptors from './scenarios/socket_descriptors.mjs'
import socketMemory from './scenarios/socket_memory.mjs'
import socketRoundTrip from './scenarios/socket_round_trip.mjs'
import socketStream1024 from './scenarios/socket_stream_1024.mjs'
import socketStream64 from './scenarios/socket_stream_64.mjs'
import socketStream65536 from './scenarios/socket_stream_65536.mjs'

const ring = [small, corked, oneKib, sixtyFourKib, oneMib, roundTrip, liveness]
const sockets = [
  socketStream64,
  socketStream1024,
  socketStream65536,
  socketRoundTrip,
  socketConnections,
  socketMemory,
  socketDescriptors,
]
const channels = [
  channelStream64,
  channelStream64Kib,
  channelStream1Mib,
  channelMessages,
  channelRoundTrip,
  channelConnections,
  channelMemory,
]
const scenarios = [...ring, ...sockets, ...channels, ...mechanisms, fileTransfer]

const usage = `Usage: npm run bench -- [options]

  --quick          fewer and shorter measurements, of the ring alone: under a minute
  --only <id>      one scenario or row; can be given several times
                   ${scenarios.map((scenario) => scenario.id).join(', ')};
                   ${scenarios.flatMap(({ rows }) => rows.map((row) => row.id)).join(', ')}
  --rounds <n>     how often each is measured
  --no-pin         let the system choose the processors
  --json           print the report as JSON instead of the table
  --against <dir>  no ratios to other means: to another build, a folder with its dist, build and
                   native; the two are measured in turns
  --save           the results become those of the repository, in bench/results
  --output <dir>   where latest.json and latest.svg go (default .cache/bench/results)
  --help`

function parse() {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      'no-pin': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      against: { type: 'string' },
      save: { type: 'boolean', default: false },
      output: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  // The warm-up is long because a compiler thread of V8 shares its process's one processor.
  const settings = values.quick
    ? { rounds: 3, warmUpMs: 200, measureMs: 120 }
    : { rounds: 7, warmUpMs: 500, measureMs: 400 }
  if (values.rounds !== undefined) settings.rounds = Number(values.rounds)
  if (!Number.isInteger(settings.rounds) || settings.rounds < 1) {
    throw new TypeError('--rounds must be an integer, 1 or more')
  }
  const results = values.save ? 'results' : '../.cache/bench/results'
  const output = values.output ?? fileURLToPath(new URL(results, import.meta.url))
  if (values.save && (values.against ?? values.output) !== undefined) {
    throw new TypeError('--save goes with neither --against nor --output')
  }
  const otherBuild = values.against === undefined ? undefined : withBuildOf(values.against)
  return { ...values, otherBuild, output, settings: { ...settings, capacity, quick: values.quick } }
}

/** The scenarios that were asked for, with what their rows need and nothing else. */
function select(only, quick) {
  if (only === undefined) return quick ? ring : scenarios
  const known = scenarios.flatMap(({ id, rows }) => [id, ...rows.map((row) => row.id)])
  const unknown = only.filter((id) => !known.includes(id))
  if (unknown.length > 0) throw new TypeError(`--only: there is no '${unknown.join("', '")}'`)
  return scenarios
    .map((scenario) => {
      if (only.includes(scenario.id)) return scenario
      const rows = scenario.rows.filter(({ id }) => only.includes(id))
      const others = scenario.rows.map(({ figure }) => figure)
      const isAimedAt = (id) => rows.some(({ targets }) => id in targets)
      const participants = scenario.participants.filter(
        ({ id }) =>
          rows.some(({ figure, leaveOut }) => figure === id || !leaveOut?.includes(id)) &&
          (!others.includes(id) || isAimedAt(id) || rows.some(({ figure }) => figure === id)),
      )
      return { ...scenario, rows, participants }
    })
    .filter(({ rows }) => rows.length > 0)
}

/** The rows of this build and of another. */
async function compareBuilds({ settings, only, json, against, otherBuild, 'no-pin': noPin }) {
  const progress = json ? () => undefined : showProgress
  const agents = { ours: new Agent(), theirs: new Agent(otherBuild) }
  const rows = []
  for (const scenario of select(only, settings.quick)) {
    for (const row of [...scenario.rows, ...cppRows(scenario)]) {
      const one = await runRow(scenario, row, { ...settings, pin: !noPin }, agents, progress)
      rows.push(rowAgainst(one))
    }
  }
  for (const agent of Object.values(agents)) agent.close()
  const report = { conditions: conditions(), settings, against, rows }
  console.log(json ? JSON.stringify(report) : formatAgainst(report))
  if (rows.some(({ ratio }) => ratio === undefined)) process.exitCode = 1
}

/** The C++ programs are of a build as well: their headers are. */
function cppRows({ title, participants }) {
  return participants
    .filter(({ id }) => id.startsWith('cpp-'))
    .map(({ id, label }) => ({ id, title: `${title}: ${label}`, figure: id }))
}

async function main({ settings, only, json, output }) {
  const selected = select(only, settings.quick)
  const about = conditions()
  const results = []
  for (const scenario of selected) {
    results.push(await runScenario(scenario, settings, json ? () => undefined : showProgress))
  }
  const report = toReport({ conditions: about, settings, results })
  mkdirSync(output, { recursive: true })
  writeFileSync(join(output, 'latest.json'), `${JSON.stringify(report, undefined, 2)}\n`)
  writeFileSync(join(output, 'latest.svg'), await drawPicture(report))
  console.log(json ? JSON.stringify(report) : formatTable(report))
  if (!json) console.log(`Raw samples and a picture are in ${output}.`)
  // What others lack is their affair; what sluice could not do is a failure.
  const failed = report.rows.filter(({ value }) => value === undefined)
  if (failed.length > 0) process.exitCode = 1
}

function showProgress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

let options
try {
  options = parse()
  select(options.only, options.quick)
} catch (error) {
  console.error(`${error.message}\n\n${usage}`)
  process.exit(2)
}
if (options.help) {
  console.log(usage)
} else {
  if (options['no-pin']) disablePinning()
  try {
    await (options.against === undefined ? main(options) : compareBuilds(options))
  } finally {
    cleanUp()
  }
}

/** Reports of `sluice stat --json`. */
import { createInterface } from 'node:readline'

import type { Report, RingReport, ServerReport } from '../../lib/cli/stat/report.js'
import { sluice, type Command, type CommandOptions } from './command.js'

/** One report, as the command prints it. */
export async function statReport(
  args: readonly string[] = [],
  options: CommandOptions = {},
): Promise<Report> {
  const { code, stdout, stderr } = await sluice(
    ['stat', '--json', '--interval', '0.2', ...args],
    options,
  ).finished
  if (code !== 0) throw new Error(`it ended with ${String(code)}\n${stderr}`)
  return JSON.parse(stdout.toString()) as Report
}

/** The reports of a command that watches. */
export async function* statReports(command: Command): AsyncGenerator<Report> {
  for await (const line of createInterface({ input: command.stdout })) {
    yield JSON.parse(line) as Report
  }
}

/** Those with this process at an end, living or not; first those into which it writes. */
export function ringsOf({ rings }: Report, pid: number): RingReport[] {
  return [
    ...rings.filter(({ producer }) => producer.pid === pid),
    ...rings.filter(({ producer, consumer }) => producer.pid !== pid && consumer.pid === pid),
  ]
}

export function serverAt({ servers }: Report, address: string): ServerReport | undefined {
  return servers.find((server) => server.address === address)
}

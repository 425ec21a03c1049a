import { checkFunction, checkString, requiredOptions } from '../core/arguments.js'
import type { ObservedServer, ServerStats } from '../transport/index.js'

interface MetricConfiguration {
  name: string
  help: string
  labelNames?: string[]
  collect?: () => void
}

/** The part of the package `prom-client` that is needed: `import client from 'prom-client'`. */
export interface MetricsClient {
  Gauge: new (configuration: MetricConfiguration) => MetricsGauge
  Counter: new (configuration: MetricConfiguration) => MetricsCounter
}

export interface MetricsGauge {
  set(value: number): void
}

export interface MetricsCounter {
  reset(): void
  inc(labels: Record<string, string>, value: number): void
}

export interface MetricsOptions {
  /** The package `prom-client`. */
  client: MetricsClient
  /** The beginning of the names; default `'sluice_'`. */
  prefix?: string
}

/**
 * Registers metrics of a server with `prom-client`, which is passed in: sluice does not depend on it. They
 * are read when they are collected, and cost nothing else.
 *
 * | metric | type | |
 * | --- | --- | --- |
 * | `sluice_connections` | gauge | connections that are open |
 * | `sluice_connections_waiting` | gauge | those that nobody has accepted yet |
 * | `sluice_listening` | gauge | 1: clients can reach the server |
 * | `sluice_connections_total` | counter | connections let in |
 * | `sluice_rejections_total{reason}` | counter | connections that the server has closed by itself |
 * | `sluice_bytes_total{direction}` | counter | bytes, `read` and `written` |
 *
 * A second server needs another `prefix`.
 *
 * @throws `ERR_SLUICE_INVALID_ARGUMENT`; what the package throws for a name that it has already.
 */
export function registerMetrics(server: ObservedServer, options: MetricsOptions): void {
  const { client, prefix = 'sluice_' } = requiredOptions(options, ['client', 'prefix'])
  checkFunction('options.client.Gauge', (client as Partial<MetricsClient> | undefined)?.Gauge)
  checkFunction('options.client.Counter', (client as Partial<MetricsClient> | undefined)?.Counter)
  checkString('options.prefix', prefix)

  const gauge = (name: string, help: string, value: () => number) => {
    const metric = new client.Gauge({
      name: prefix + name,
      help,
      collect: () => {
        metric.set(value())
      },
    })
  }
  const counter = (
    name: string,
    help: string,
    label: string | undefined,
    values: (stats: ServerStats) => Record<string, number>,
  ) => {
    const metric = new client.Counter({
      name: prefix + name,
      help,
      ...(label === undefined ? {} : { labelNames: [label] }),
      collect: () => {
        metric.reset() // the server counts; this is its count of now
        for (const [key, value] of Object.entries(values(server.stats()))) {
          metric.inc(label === undefined ? {} : { [label]: key }, value)
        }
      },
    })
  }

  gauge('connections', 'Connections that are open', () => server.stats().open)
  gauge('connections_waiting', 'Connections that nobody has accepted yet', () => {
    return server.stats().waiting
  })
  gauge('listening', 'Whether clients can reach the server', () => {
    return server.health().listening ? 1 : 0
  })
  counter('connections_total', 'Connections let in', undefined, ({ admitted }) => ({ admitted }))
  counter(
    'rejections_total',
    'Connections that the server has closed by itself',
    'reason',
    (stats) => {
      return { ...stats.rejected }
    },
  )
  counter('bytes_total', 'Bytes that have gone over connections', 'direction', (stats) => {
    return { read: stats.bytesRead, written: stats.bytesWritten }
  })
}

import { checkFunction, checkString, requiredOptions } from '../core/arguments.js'
import type { ObservedServer, ServerStats } from '../transport/index.js'

/** The part of the package `prom-client` that {@link registerMetrics} needs. */
export interface MetricsClient {
  /** Its metric of a number that goes up and down. */
  Gauge: new (configuration: { name: string; help: string; collect: () => void }) => {
    set(value: number): void
  }
  /** Its metric of a number that goes up. */
  Counter: new (configuration: {
    name: string
    help: string
    labelNames?: string[]
    collect: () => void
  }) => {
    reset(): void
    inc(labels: Record<string, string>, value: number): void
  }
}

/** Options of {@link registerMetrics}. */
export interface MetricsOptions {
  /** The package `prom-client`, as `import client from 'prom-client'` gives it. */
  client: MetricsClient
  /** The beginning of the names; default `'sluice_'`. */
  prefix?: string
}

/**
 * Registers metrics of a server with `prom-client`, in its default registry. The package is passed in:
 * sluice does not depend on it. The metrics are read when they are collected, and cost nothing else.
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
 *
 * @example
 * ```ts
 * import client from 'prom-client'
 *
 * const server = await listen('tcp:127.0.0.1:0')
 * registerMetrics(server, { client })
 * console.log(await client.register.metrics()) // sluice_connections 0 ...
 * server.close()
 * client.register.clear() // else the metrics of a closed server stay
 * ```
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

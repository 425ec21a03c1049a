/** Small adapters that show what happens to packages that users may have. */
export { logEvents } from './logging.js'
export type { EventLogger } from './logging.js'
export { registerMetrics } from './metrics.js'
export type { MetricsClient, MetricsOptions } from './metrics.js'

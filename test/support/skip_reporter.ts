/** Tells at the end why how many tests were skipped; one without a reason fails the run. */
import type { Reporter, TestModule } from 'vitest/node'

export default class SkipReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = new Map<string, number>()
    const silent: string[] = []
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const result = test.result()
        if (result.state !== 'skipped') continue
        if (result.note === undefined) silent.push(`${module.relativeModuleId} > ${test.fullName}`)
        else counts.set(result.note, (counts.get(result.note) ?? 0) + 1)
      }
    }
    for (const [reason, count] of [...counts].sort((a, b) => b[1] - a[1])) {
      console.log(`${String(count).padStart(5)} skipped: ${reason}`)
    }
    for (const name of silent) console.log(`skipped without a reason: ${name}`)
    if (silent.length > 0) process.exitCode = 1
  }
}

/** The order of the test files: what is over at once comes first, so that a fault is seen soon. */
import { readFileSync } from 'node:fs'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

export class ShortFirst extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = files
      .map((file) => ({ file, rank: rank(file) }))
      .sort((a, b) => a.rank - b.rank || a.file.moduleId.localeCompare(b.file.moduleId))
    return Promise.resolve(sorted.map(({ file }) => file))
  }
}

/** The whole suite before the files that run again under other conditions. */
function rank({ moduleId, project }: TestSpecification): number {
  return (project.name === 'direct' ? 0 : 2) + (startsProcesses(moduleId) ? 1 : 0)
}

// A process or a thread takes longer to start than most tests take to run.
function startsProcesses(path: string): boolean {
  return /child_process|worker_threads|support\/(child|command)/.test(readFileSync(path, 'utf8'))
}

// A script's steps: each passes or throws. All run, and the last line counts them.

export class Steps {
  #passed = 0
  #failed = 0

  /** Returns what the step returns, or undefined when it failed. */
  async run(title, step) {
    const start = performance.now()
    const time = () => `${((performance.now() - start) / 1000).toFixed(1)} s`
    try {
      const result = await step()
      console.log(`ok      ${title} (${time()})`)
      this.#passed++
      return result
    } catch (error) {
      console.log(`FAILED  ${title} (${time()})\n${error?.message ?? error}`)
      this.#failed++
      return undefined
    }
  }

  finish() {
    console.log(`${this.#passed} passed, ${this.#failed} failed`)
    if (this.#failed > 0 || this.#passed === 0) process.exitCode = 1
  }
}

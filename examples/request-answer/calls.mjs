import { framed } from 'sluice'

/** More answers than this wait for a peer that asks and does not read: it is closed. */
const mostUnsent = 100_000

/**
 * Requests and answers over a connection, from both sides at once: messages `{ id, question }` and
 * `{ id, answer }` or `{ id, error }`.
 */
export class Calls {
  #messages
  #answer
  #waiting = new Map()
  #lastId = 0
  #unsent = []
  #sending = false

  /** `answer(question)` answers what the other side asks. */
  constructor(connection, answer = () => Promise.reject(new Error('nobody answers here'))) {
    this.#messages = framed(connection, { codec: 'json' })
    this.#answer = answer
    void this.#receive()
  }

  /** The answer; rejects if there is none in so many milliseconds, and if the other side is gone. */
  ask(question, { timeout = 30_000 } = {}) {
    if (this.#messages.closed) return Promise.reject(new Error('the other side is gone'))
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#settle({ id, error: `no answer in ${timeout} ms` })
      }, timeout)
      this.#waiting.set(id, { resolve, reject, timer })
      this.#send({ id, question })
    })
  }

  close() {
    this.#messages.close()
  }

  /** What is asked and answered in one go is sent with one write. */
  async #send(message) {
    this.#unsent.push(message)
    if (this.#sending) return
    this.#sending = true
    try {
      await undefined
      while (this.#unsent.length > 0) await this.#sendAll(this.#unsent.splice(0))
    } catch {
      this.close() // #receive tells those who wait
    }
    this.#sending = false
  }

  async #sendAll(messages) {
    try {
      await this.#messages.sendMany(messages)
    } catch (error) {
      if (this.#messages.closed) throw error
      // Nothing was sent, because of one that is too long or that JSON does not have.
      for (const message of messages) await this.#sendAlone(message)
    }
  }

  async #sendAlone(message) {
    try {
      await this.#messages.send(message)
    } catch (error) {
      const instead = { id: message.id, error: error.message }
      if ('question' in message) this.#settle(instead)
      else this.#unsent.push(instead)
    }
  }

  async #receive() {
    try {
      for (;;) {
        const messages = await this.#messages.receiveMany()
        if (messages === undefined) break
        for (const message of messages) {
          if ('question' in message) void this.#reply(message)
          else this.#settle(message)
        }
      }
    } catch {
      // However it ended, there are no more answers.
    }
    this.close()
    for (const id of [...this.#waiting.keys()])
      this.#settle({ id, error: 'the other side is gone' })
  }

  async #reply({ id, question }) {
    if (this.#unsent.length >= mostUnsent) this.close()
    try {
      this.#send({ id, answer: await this.#answer(question) })
    } catch (error) {
      this.#send({ id, error: error.message })
    }
  }

  #settle({ id, answer, error }) {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return // it came too late
    this.#waiting.delete(id)
    clearTimeout(waiting.timer)
    if (error === undefined) waiting.resolve(answer)
    else waiting.reject(new Error(error))
  }
}

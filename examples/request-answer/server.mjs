// Answers requests, without a protocol to be written for it.
//
//   node examples/request-answer/server.mjs pipe:answers
//   node examples/request-answer/client.mjs pipe:answers
import { listen } from 'sluice'
import { Calls } from './calls.mjs'

const server = await listen(process.argv[2] ?? 'pipe:answers')
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close())
console.log(`listening on ${server.address}`)

for await (const connection of server) {
  const calls = new Calls(connection, async ({ name, values }) => {
    if (name === 'add') return values.reduce((sum, value) => sum + value, 0)
    if (name === 'never') return new Promise(() => undefined)
    // The other side can be asked as well.
    if (name === 'greet') return `hello, ${await calls.ask('who are you?')}`
    throw new Error(`there is no '${name}'`)
  })
}

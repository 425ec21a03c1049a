import type { ServerUnderTest, TestedConnection, TestedOptions } from './transport_under_test.js'

/** Both ends of one connection, through a server that is closed by then. */
export async function pairThrough(
  server: ServerUnderTest,
  options: TestedOptions = {},
): Promise<[TestedConnection, TestedConnection]> {
  const address = server.address()
  const listening = await server.listen(address, options)
  const [client, accepted] = await Promise.all([
    server.connect(address, options),
    listening.accept(),
  ])
  listening.close()
  return [client, accepted]
}

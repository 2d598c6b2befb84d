/**
 * The least that a server in Node can do: every request gets the same recorded answer, found by its first bytes, and what
 * a chunk asks for leaves in one write. Nothing is checked, kept or bounded.
 *
 *     node bench/peers/RawServer.ts ADDRESS FOLDER
 *
 * `FOLDER` holds a file for each kind of request, named like its message, with the line that answers it.
 */
import { readdirSync, readFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"

const [host, folder] = process.argv.slice(2) as [string, string]
const answers = new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]))

/** The name of the message that begins here: `{"Name":{` or `"Name"`. */
const nameAt = (chunk: Buffer, start: number): string => {
  const from = chunk.indexOf(34, start) + 1
  return chunk.toString("latin1", from, chunk.indexOf(34, from))
}

createServer({ noDelay: true }, (socket) => {
  let rest: Buffer | undefined
  socket.on("error", () => {})
  socket.on("data", (data: Buffer) => {
    const chunk = rest === undefined ? data : Buffer.concat([rest, data])
    const out: Array<Buffer> = []
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const answer = answers.get(nameAt(chunk, start))
      if (answer !== undefined) out.push(answer)
      start = end + 1
    }
    rest = start === chunk.length ? undefined : chunk.subarray(start)
    if (out.length > 0) socket.write(out.length === 1 ? out[0]! : Buffer.concat(out))
  })
}).listen(24_100, host, () => console.log("ready"))

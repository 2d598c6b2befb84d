/**
 * What the system knows of connections, whatever either program says of them: `/proc/net/tcp` of Linux.
 */
import { readFileSync } from "node:fs"
import { testnet } from "../../src/protocol/Network.ts"

/** One end of a TCP connection between two peers. */
export interface PeerSocket {
  readonly local: string
  readonly localPort: number
  readonly remote: string
  readonly remotePort: number
  readonly established: boolean
}

/** Every socket that belongs to a P2P connection between two of these addresses. */
export const peerSockets = (addresses: ReadonlyArray<string>): ReadonlyArray<PeerSocket> => {
  const known = new Map(addresses.map((ip) => [hexOf(ip), ip]))
  return readFileSync("/proc/net/tcp", "latin1")
    .split("\n")
    .flatMap((line) => {
      const [, own, other, state] = line.trim().split(/\s+/)
      const [localHex, localPort] = endpoint(own)
      const [remoteHex, remotePort] = endpoint(other)
      const [local, remote] = [known.get(localHex), known.get(remoteHex)]
      if (local === undefined || remote === undefined) return []
      if (localPort !== testnet.p2pPort && remotePort !== testnet.p2pPort) return []
      return [{ local, localPort, remote, remotePort, established: state === ESTABLISHED }]
    })
}

/** True when this address dialled; a socket that is only remembered by the system tells that, too. */
export const isDiallerOf = (ip: string, { local, remote, remotePort }: PeerSocket): boolean =>
  remotePort === testnet.p2pPort ? local === ip : remote === ip

/** A connection by both its ends, the dialler's first. */
export const connectionName = ({ local, localPort, remote, remotePort }: PeerSocket): string =>
  remotePort === testnet.p2pPort ? `${local}:${localPort} -> ${remote}` : `${remote}:${remotePort} -> ${local}`

/** The connections that are established at both ends. */
export const connections = (sockets: ReadonlyArray<PeerSocket>): ReadonlySet<string> => {
  const ends = new Map<string, number>()
  for (const socket of sockets) {
    if (!socket.established) continue
    const name = connectionName(socket)
    ends.set(name, (ends.get(name) ?? 0) + 1)
  }
  return new Set(Array.from(ends, ([name, count]) => (count === 2 ? name : "")).filter((name) => name !== ""))
}

// --- internal ---

const ESTABLISHED = "01"

/** An address as the system writes it: its four bytes as a number of the machine, which is little-endian. */
const hexOf = (ip: string): string =>
  ip
    .split(".")
    .reverse()
    .map((byte) => Number(byte).toString(16).padStart(2, "0"))
    .join("")
    .toUpperCase()

const endpoint = (text = ""): readonly [string, number] => {
  const [ip = "", port = ""] = text.split(":")
  return [ip, Number.parseInt(port, 16)]
}

/**
 * A peer that is nothing but a socket: it sends bytes and counts what comes back, as cheaply as it can.
 */
import { connect, type Socket } from "node:net"

export interface Target {
  readonly host: string
  readonly port: number
}

export const HANDSHAKE = `{"Handshake":{"magic":[84,73,77,69],"protocol_version":1,"network":"Testnet"}}\n`

/** The address of the n-th peer of a crowd: nodes know peers by IP. */
export const sourceAddress = (net: string, index: number): string => `${net}.${1 + index}`

/** Connects without a word. A peer that could not connect is closed from the start. */
export const dialTarget = ({ host, port }: Target, localAddress: string): Promise<Socket> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, localAddress, noDelay: true })
    socket.on("error", () => {})
    socket.once("connect", () => resolve(socket))
    socket.once("close", () => resolve(socket))
  })

/** Connects and shakes hands; what the node says first is passed over. */
export const join = async (target: Target, localAddress: string): Promise<Socket> => {
  const socket = await dialTarget(target, localAddress)
  if (socket.destroyed) return socket
  await new Promise<void>((resolve) => {
    let heard = ""
    const hear = (chunk: Buffer): void => {
      heard += chunk.toString("latin1")
      if (heard.includes(`"Ack"`)) done()
    }
    const done = (): void => {
      socket.off("data", hear)
      socket.off("close", done)
      resolve()
    }
    socket.on("data", hear)
    socket.on("close", done)
    socket.write(HANDSHAKE)
  })
  return socket
}

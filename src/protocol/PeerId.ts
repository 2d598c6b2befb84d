/**
 * Who a peer is: its IP address, parsed and canonical.
 *
 * The protocol knows one connection per IP address. Every table, on both sides of a link, is keyed by this one type; a
 * socket's `ip:port` is a different type and cannot be used in its place. IPv4-mapped IPv6 addresses are the IPv4
 * address they contain.
 */
import * as Brand from "effect/Brand"
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"

export type PeerId = Brand.Branded<string, "PeerId">

/** Where a peer listens: its identity and a TCP port. */
export interface PeerAddress {
  readonly peer: PeerId
  readonly port: number
}

/** The peer of an IP literal in any spelling, or `undefined` for text that is none. Brackets around IPv6 are allowed. */
export const peerId = (text: string): PeerId | undefined => {
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text
  const parsed = NetAddress.ipFromString(bare)
  return Result.isSuccess(parsed) ? canonical(parsed.success) : undefined
}

/** Parses `ip`, `ip:port`, `[ipv6]` or `[ipv6]:port`; `undefined` for anything else, host names included. */
export const peerAddress = (text: string, defaultPort: number): PeerAddress | undefined => {
  const bare = peerId(text)
  if (bare !== undefined) return { peer: bare, port: defaultPort }
  const colon = text.lastIndexOf(":")
  if (colon <= 0) return undefined
  const digits = text.slice(colon + 1)
  const host = text.slice(0, colon)
  if (!/^[0-9]{1,5}$/.test(digits) || (host.includes(":") && !host.startsWith("["))) return undefined
  const peer = peerId(host)
  const port = Number(digits)
  return peer === undefined || port < 1 || port > 65535 ? undefined : { peer, port }
}

/** Writes an address as `ip:port`, IPv6 in brackets. */
export const formatPeerAddress = (address: PeerAddress): string =>
  address.peer.includes(":") ? `[${address.peer}]:${address.port}` : `${address.peer}:${address.port}`

/** What kind of network an address belongs to: only `public` ones are worth passing on outside loopback networks. */
export type AddressScope = "public" | "private" | "loopback" | "unusable"

export const addressScope = (peer: PeerId): AddressScope => {
  if (!isIpv6(peer)) {
    // Asked for every address that a peer names, hence by arithmetic.
    const number = ipv4Number(peer)
    return IPV4.find(({ first, last }) => number >= first && number <= last)?.scope ?? "public"
  }
  const address = NetAddress.ipFromStringUnsafe(peer)
  if (NetAddress.isLoopback(address)) return "loopback"
  return IPV6.find(({ network }) => IpNetwork.contains(network, address))?.scope ?? "public"
}

/** True for IPv6 peers, whose addresses only a timenode understands. */
export const isIpv6 = (peer: PeerId): boolean => peer.includes(":")

// --- internal ---

const ipv4Number = (text: string): number => text.split(".").reduce((number, octet) => number * 256 + Number(octet), 0)

/**
 * Special networks. Unusable addresses name no host: unspecified, reserved, multicast, for documentation or
 * measurements. Private ones mean something else in every network: private, shared, link-local.
 */
const IPV4 = (
  [
    ["loopback", "127.0.0.0", 8],
    ["private", "10.0.0.0", 8],
    ["private", "100.64.0.0", 10],
    ["private", "169.254.0.0", 16],
    ["private", "172.16.0.0", 12],
    ["private", "192.168.0.0", 16],
    ["unusable", "0.0.0.0", 8],
    ["unusable", "192.0.0.0", 24],
    ["unusable", "192.0.2.0", 24],
    ["unusable", "198.18.0.0", 15],
    ["unusable", "198.51.100.0", 24],
    ["unusable", "203.0.113.0", 24],
    ["unusable", "224.0.0.0", 3]
  ] as const
).map(([scope, base, prefix]) => {
  const first = ipv4Number(base)
  return { scope, first, last: first + 2 ** (32 - prefix) - 1 }
})

const IPV6 = (
  [
    ["private", "fc00::/7"],
    ["private", "fe80::/10"],
    ["unusable", "::/128"],
    ["unusable", "100::/64"],
    ["unusable", "2001:db8::/32"],
    ["unusable", "ff00::/8"]
  ] as const
).map(([scope, text]) => ({ scope, network: IpNetwork.fromStringUnsafe(text) }))

const canonical = (address: NetAddress.IpAddress): PeerId =>
  NetAddress.formatIp(NetAddress.toCanonical(address)) as PeerId

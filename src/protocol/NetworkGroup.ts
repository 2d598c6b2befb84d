/**
 * Which addresses count as those of one party, where one party must not count for many.
 *
 * A group is about what one provider gets: to have addresses in many of them is expensive. A subnet is the least that one
 * customer gets, and what a single machine can dial from.
 */
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import { addressScope, isIpv6, type PeerId } from "./PeerId.ts"

/** The /24 of an IPv4 peer, the /64 of an IPv6 peer, as `203.0.113.0/24`. */
export const subnet = (peer: PeerId): string =>
  IpNetwork.format(IpNetwork.fromAddressUnsafe(NetAddress.ipFromStringUnsafe(peer), isIpv6(peer) ? 64 : 24))

/**
 * The /16 of a public IPv4 address, the /32 of a public IPv6 address. On private and loopback networks whoever gets one
 * address gets them all: there grouping protects from nothing, and every address is a group of its own.
 */
export const networkGroup = (peer: PeerId): string => {
  if (addressScope(peer) !== "public") return peer
  if (!isIpv6(peer)) return peer.split(".", 2).join(".")
  // What stands before "::" is written out; behind it there may be zeros that are not.
  const [first = "", second = ""] = peer.split("::", 1)[0]!.split(":", 2)
  return `${first || "0"}:${second || "0"}`
}

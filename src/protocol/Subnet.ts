/**
 * Which network an address lies in: how much of the address says who has it.
 *
 * A subnet is the least that one customer of a provider gets, and what a single machine can dial from. A wide network is
 * about what one provider gets: to have addresses in many of them is expensive. An IPv6 address that carries an IPv4
 * address (6to4) lies in as many wide networks as that one does.
 */
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import { isIpv6, type PeerId } from "./PeerId.ts"

/** The /24 of an IPv4 peer, the /64 of an IPv6 peer, as `203.0.113.0/24`. */
export const subnet = (peer: PeerId): string => prefix(peer, isIpv6(peer) ? 64 : 24)

/** The /16 of an IPv4 peer, the /32 of an IPv6 peer. */
export const wideNetwork = (peer: PeerId): string => prefix(peer, isIpv6(peer) ? 32 : 16)

// --- internal ---

const prefix = (peer: PeerId, bits: number): string =>
  IpNetwork.format(IpNetwork.fromAddressUnsafe(NetAddress.ipFromStringUnsafe(peer), bits))

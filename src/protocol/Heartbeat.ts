/**
 * Signs of life of masternodes, and other masternodes' word that they saw them.
 *
 * Both name the key that signs them. A signature shows that the holder of that key made them; only the registry knows
 * whose key it is.
 */
import * as Schema from "effect/Schema"
import * as Bincode from "./Bincode.ts"
import { concatBytes } from "./ByteArray.ts"
import { PublicKey, Signature, type SigningKey, verify } from "./Ed25519.ts"
import { Hash256, sha256 } from "./Hash.ts"
import { I64, U64, UnixSeconds } from "./Integer.ts"

export const SignedHeartbeat = Schema.Struct({
  masternodeAddress: Schema.String,
  sequenceNumber: U64,
  timestamp: UnixSeconds,
  masternodePubkey: PublicKey,
  signature: Signature
})
export type SignedHeartbeat = typeof SignedHeartbeat.Type

export const WitnessAttestation = Schema.Struct({
  heartbeatHash: Hash256,
  witnessAddress: Schema.String,
  witnessPubkey: PublicKey,
  witnessTimestamp: UnixSeconds,
  signature: Signature
})
export type WitnessAttestation = typeof WitnessAttestation.Type

/** What a heartbeat's signature covers. */
export const heartbeatDigest = (heartbeat: Omit<SignedHeartbeat, "signature">): Hash256 =>
  sha256(concatBytes(HEARTBEAT_TAG, subjectBytes(heartbeat), heartbeat.masternodePubkey))

/** The name by which attestations refer to a heartbeat. It covers neither key nor signature, so a forgery has it too. */
export const heartbeatId = (heartbeat: Pick<SignedHeartbeat, Subject>): Hash256 => sha256(subjectBytes(heartbeat))

export const signHeartbeat = (heartbeat: Pick<SignedHeartbeat, Subject>, key: SigningKey): SignedHeartbeat => {
  const unsigned = { ...heartbeat, masternodePubkey: key.publicKey }
  return { ...unsigned, signature: key.sign(heartbeatDigest(unsigned)) }
}

export const verifyHeartbeat = (heartbeat: SignedHeartbeat): boolean =>
  verify(heartbeat.masternodePubkey, heartbeatDigest(heartbeat), heartbeat.signature)

/** What a witness's signature covers. */
export const attestationDigest = (attestation: Omit<WitnessAttestation, "signature">): Hash256 =>
  sha256(
    concatBytes(
      WITNESS_TAG,
      attestation.heartbeatHash,
      utf8.encode(attestation.witnessAddress),
      i64(attestation.witnessTimestamp),
      attestation.witnessPubkey
    )
  )

export const signAttestation = (
  attestation: Omit<WitnessAttestation, "signature" | "witnessPubkey">,
  key: SigningKey
): WitnessAttestation => {
  const unsigned = { ...attestation, witnessPubkey: key.publicKey }
  return { ...unsigned, signature: key.sign(attestationDigest(unsigned)) }
}

export const verifyAttestation = (attestation: WitnessAttestation): boolean =>
  verify(attestation.witnessPubkey, attestationDigest(attestation), attestation.signature)

// --- internal ---

type Subject = "masternodeAddress" | "sequenceNumber" | "timestamp"

const utf8 = new TextEncoder()
const u64 = Bincode.encoder(U64)
const i64 = Bincode.encoder(I64)
const HEARTBEAT_TAG = utf8.encode("TIMECOIN_HEARTBEAT:")
const WITNESS_TAG = utf8.encode("TIMECOIN_WITNESS:")

const subjectBytes = ({ masternodeAddress, sequenceNumber, timestamp }: Pick<SignedHeartbeat, Subject>): Uint8Array =>
  concatBytes(utf8.encode(masternodeAddress), u64(sequenceNumber), i64(timestamp))

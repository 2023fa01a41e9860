import { setTimeout as delay } from "node:timers/promises";
import { BtarError } from "../../domain/errors.ts";
import { type Lsn, parseLsn } from "../../domain/lsn.ts";
import type { ReservationState, ServerAddress } from "../engine.ts";
import { formatAddress, protocolViolation, sqlStateOf } from "./server-error.ts";
import { SqlSession } from "./session.ts";

/** A slot is in use until the server has noticed the end of the connection that used it. */
const slotFreeLimitMs = 10_000;
const slotFreePollMs = 100;

export interface ReservationRequest {
  /** Name of the replication slot: `[a-z0-9_]`, up to 63. */
  readonly reservation: string;
  readonly signal: AbortSignal;
}

/** What a slot that is in order tells of the server. */
export interface Reservation {
  /** Oldest WAL that the slot keeps. */
  readonly restartLsn: Lsn;
  /** Whether the server follows another one. */
  readonly isStandby: boolean;
}

/** A replication slot as pg_replication_slots shows it. */
interface Slot {
  readonly isStandby: boolean;
  readonly isPhysical: boolean;
  /** Invalidated: the server no longer keeps WAL for it, and it cannot be used again. */
  readonly isLost: boolean;
  /** Oldest WAL that it keeps; undefined when it keeps none. */
  readonly restartLsn: Lsn | undefined;
  readonly retainedBytes: number;
}

// What a server that follows another one has last received or replayed stands for what one that leads has written.
const slotQuery = `
  select pg_is_in_recovery()::text as is_standby, slot_type, wal_status, restart_lsn::text,
    greatest(0, pg_wal_lsn_diff(
      case when pg_is_in_recovery()
        then coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
        else pg_current_wal_lsn()
      end, restart_lsn))::text as retained
  from pg_replication_slots where slot_name = $1`;

/** @throws {BtarError} those of connections, INVALID_INPUT */
export async function reservationState(address: ServerAddress, request: ReservationRequest): Promise<ReservationState> {
  await using session = await SqlSession.open(address, request);
  const slot = await readSlot(session, address, checkedName(request.reservation));
  if (!slot) return { exists: false, retainedBytes: 0, isLost: false };
  return { exists: true, retainedBytes: slot.retainedBytes, isLost: slot.isLost };
}

/**
 * Makes sure that the slot exists and keeps WAL. One that is lost, or never kept any, is made again.
 * @throws {BtarError} SERVER_REFUSED (no free slot, privilege, a logical slot of that name), those of connections
 */
export async function ensureReservation(address: ServerAddress, request: ReservationRequest): Promise<Reservation> {
  const name = checkedName(request.reservation);
  await using session = await SqlSession.open(address, request);
  const present = await readSlot(session, address, name);
  if (present && !present.isPhysical) throw notPhysical(address, name);
  const kept = reservationOf(present);
  if (kept) return kept;
  if (present) await dropSlot(session, name, request.signal);
  await createSlot(session, name);
  const made = reservationOf(await readSlot(session, address, name));
  if (!made) throw protocolViolation(address, `slot ${name} keeps no WAL although it was asked to`);
  return made;
}

/**
 * Drops the slot, if there is one. Waits up to 10 s for its last user to be gone.
 * @throws {BtarError} SERVER_REFUSED when it is in use still, those of connections
 */
export async function dropReservation(address: ServerAddress, request: ReservationRequest): Promise<void> {
  const name = checkedName(request.reservation);
  await using session = await SqlSession.open(address, request);
  await dropSlot(session, name, request.signal);
}

/**
 * Does what needs the slot to be free, again and again for up to 10 s while it is in use.
 * @throws what `act` throws
 */
export async function whenSlotIsFree<T>(signal: AbortSignal, act: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + slotFreeLimitMs;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (sqlStateOf(error) !== "55006" || Date.now() > deadline || signal.aborted) throw error;
    }
    await delay(slotFreePollMs);
  }
}

function reservationOf(slot: Slot | undefined): Reservation | undefined {
  if (slot?.restartLsn === undefined || slot.isLost) return undefined;
  return { restartLsn: slot.restartLsn, isStandby: slot.isStandby };
}

async function readSlot(session: SqlSession, address: ServerAddress, name: string): Promise<Slot | undefined> {
  const [row] = await session.query(slotQuery, [name]);
  if (!row) return undefined;
  const restartLsn = row["restart_lsn"];
  if (restartLsn === undefined) throw protocolViolation(address, "pg_replication_slots without restart_lsn");
  return {
    isStandby: row["is_standby"] === "true",
    isPhysical: row["slot_type"] === "physical",
    isLost: row["wal_status"] === "lost",
    restartLsn: restartLsn === null ? undefined : parseLsn(restartLsn),
    retainedBytes: Number(row["retained"] ?? 0),
  };
}

async function createSlot(session: SqlSession, name: string): Promise<void> {
  try {
    await session.query("select pg_create_physical_replication_slot($1, true)", [name]);
  } catch (error) {
    if (sqlStateOf(error) !== "42710") throw error; // somebody else made it at the same time
  }
}

async function dropSlot(session: SqlSession, name: string, signal: AbortSignal): Promise<void> {
  try {
    await whenSlotIsFree(signal, async () => await session.query("select pg_drop_replication_slot($1)", [name]));
  } catch (error) {
    if (sqlStateOf(error) !== "42704") throw error; // there is none
  }
}

function checkedName(name: string): string {
  if (/^[a-z0-9_]{1,63}$/.test(name)) return name;
  throw new BtarError("INVALID_INPUT", {
    message: `"${name}" cannot be the name of a replication slot`,
    hint: "use up to 63 lower-case letters, digits and underscores",
  });
}

function notPhysical(address: ServerAddress, name: string): BtarError {
  return new BtarError("SERVER_REFUSED", {
    message: `the replication slot ${name} of PostgreSQL at ${formatAddress(address)} is a logical one`,
    hint: `drop it, if nothing uses it: SELECT pg_drop_replication_slot('${name}');`,
  });
}

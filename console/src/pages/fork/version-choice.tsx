import { Radio, Select, Stack, TextInput } from "@mantine/core";
import { BtarError, describeError } from "../../../../src/domain/errors.ts";
import { formatGtid, parseGtid } from "../../../../src/domain/gtid.ts";
import type { Backup, Reach } from "../../api/types.ts";
import { Moment } from "../../parts/moment.tsx";
import { bytesText } from "../../words/quantities.ts";
import { momentOfInput, momentText, zoneName } from "../../words/times.ts";
import type { ForkStart } from "./fork-facts.tsx";

export type Version = "latest" | "time" | "gtid" | "backup";

/** What is to be restored, as it was typed in. */
export interface WantedVersion {
  readonly version: Version;
  readonly time: string;
  readonly gtid: string;
  readonly backup: string | null;
}

/** The same for the API; undefined while something is missing or wrong. */
export function targetOf({ version, time, gtid, backup }: WantedVersion): ForkStart["target"] | undefined {
  if (version === "latest") return {};
  if (version === "backup") return backup === null ? undefined : { backup_name: backup };
  if (version === "time") {
    const at = momentOfInput(time);
    return at && { target_time: at.toISOString() };
  }
  const known = readGtid(gtid);
  return known.error === undefined ? { target_gtid: known.gtid } : undefined;
}

type ReadGtid =
  | { readonly gtid: string; readonly error?: undefined }
  | { readonly gtid?: undefined; readonly error: string };

function readGtid(text: string): ReadGtid {
  try {
    return { gtid: formatGtid(parseGtid(text)) };
  } catch (error) {
    if (!(error instanceof BtarError)) throw error;
    return { error: describeError(error) };
  }
}

type Place = Reach["locations"][number];

interface VersionChoiceProps {
  readonly engine: string;
  /** What the location reaches. */
  readonly place: Place | undefined;
  readonly backups: readonly Backup[];
  readonly wanted: WantedVersion;
  readonly change: (changed: Partial<WantedVersion>) => void;
}

/** The latest transaction, a moment, a transaction, or a base backup. */
export function VersionChoice({ engine, place, backups, wanted, change }: VersionChoiceProps) {
  const { version, time, gtid, backup } = wanted;
  return (
    <>
      <Radio.Group label="Version" value={version} onChange={(value) => change({ version: value as Version })} mt="sm">
        <Stack gap="xs" mt="xs">
          <Radio value="latest" label="Latest transaction" />
          <Radio value="time" label="Point in time" />
          {engine === "mysql" && <Radio value="gtid" label="A transaction, by its GTID" />}
          <Radio value="backup" label="Base backup" />
        </Stack>
      </Radio.Group>
      {version === "time" && (
        <TextInput
          label={`Time (${zoneName()})`}
          type="datetime-local"
          step={1}
          value={time}
          onChange={(event) => change({ time: event.currentTarget.value })}
          error={timeError(momentOfInput(time), place)}
          description={place && <Bounds windows={place.windows} />}
        />
      )}
      {version === "gtid" && (
        <TextInput
          label="GTID"
          description="The last transaction that the fork is to hold: UUID:NUMBER or UUID:TAG:NUMBER"
          value={gtid}
          onChange={(event) => change({ gtid: event.currentTarget.value })}
          error={gtid.trim() === "" ? undefined : readGtid(gtid).error}
          autoComplete="off"
        />
      )}
      {version === "backup" && (
        <Select
          label="Base backup"
          data={(place?.backups ?? []).map(({ backup_name, earliest_at }) => ({
            value: backup_name,
            label: `${momentText(new Date(earliest_at))} · ${bytesText(backups.find((each) => each.backup_name === backup_name)?.data_size ?? 0)}`,
          }))}
          value={backup}
          onChange={(chosen) => change({ backup: chosen })}
          placeholder="Choose one"
        />
      )}
    </>
  );
}

function Bounds({ windows }: { readonly windows: Place["windows"] }) {
  return (
    <>
      {windows.map(({ earliest_at, latest_at }, index) => (
        <span key={earliest_at}>
          {index > 0 && ", or "}
          <Moment at={earliest_at} /> to <Moment at={latest_at} />
        </span>
      ))}
    </>
  );
}

function timeError(at: Date | undefined, place: Place | undefined): string | undefined {
  if (at === undefined) return "Give a day and a time";
  const isReached = place?.windows.some(
    // The field has whole seconds; the window's ends have fractions.
    ({ earliest_at, latest_at }) =>
      at.getTime() + 999 >= Date.parse(earliest_at) && at.getTime() <= Date.parse(latest_at),
  );
  return isReached ? undefined : "This moment cannot be restored from there: choose one within the times below";
}

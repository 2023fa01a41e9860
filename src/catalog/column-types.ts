import type { ColumnType, JSONColumnType } from "kysely";

/** Written as Date or ISO text, read as Date. */
export type Moment = ColumnType<Date, Date | string, Date | string>;
export type MomentOrNull = ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;
/** `bigint` in SQL, number here: sizes and counts stay below 2^53. */
export type Count = ColumnType<number, number | undefined, number>;
export type Flag = ColumnType<boolean, boolean | undefined, boolean>;
export type Json<T extends object> = JSONColumnType<T, string, string>;
export type JsonOrNull<T extends object> = ColumnType<T | null, string | null | undefined, string | null>;

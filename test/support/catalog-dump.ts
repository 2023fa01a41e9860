/** The catalog as SQL that any PostgreSQL takes: what `pg_dump` would write, without it. */
import type pg from "pg";

interface Column {
  readonly name: string;
  readonly type: string;
  readonly collation: string | null;
  readonly not_null: boolean;
  readonly identity: string;
  readonly default: string | null;
}

/** All of the schema `public`: functions, tables, rows, then constraints, indexes and triggers. */
export async function dumpCatalog(client: pg.Client): Promise<string> {
  const texts = async (query: string, values: readonly unknown[] = []) =>
    (await client.query<{ text: string }>(query, [...values])).rows.map(({ text }) => text);
  const tables = await texts(`select relname as text from pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1`);
  const lines = ["set check_function_bodies = off"];
  for (const table of tables) lines.push(await tableDefinition(client, table));
  lines.push(
    ...(await texts(`select pg_get_functiondef(oid) as text from pg_proc
      where pronamespace = 'public'::regnamespace order by oid`)),
  );
  for (const table of tables) lines.push(...(await rowsOf(client, table)));
  lines.push(
    ...(await texts(`select format('alter table %s add constraint %I %s', conrelid::regclass, conname,
        pg_get_constraintdef(oid)) as text
      from pg_constraint where connamespace = 'public'::regnamespace and contype in ('p', 'u', 'c', 'f')
      order by array_position('{p,u,c,f}', contype::text), conrelid::regclass::text, conname`)),
    ...(await texts(`select pg_get_indexdef(indexrelid) as text from pg_index
      join pg_class on pg_class.oid = indexrelid
      where relnamespace = 'public'::regnamespace
        and not exists (select from pg_constraint where conindid = indexrelid and contype in ('p', 'u'))
      order by relname`)),
    ...(await texts(`select pg_get_triggerdef(pg_trigger.oid) as text from pg_trigger
      join pg_class on pg_class.oid = tgrelid
      where relnamespace = 'public'::regnamespace and not tgisinternal order by tgname`)),
  );
  return `${lines.map((line) => line.trimEnd()).join(";\n")};\n`;
}

async function columnsOf(client: pg.Client, table: string): Promise<readonly Column[]> {
  const { rows } = await client.query<Column>(
    `select attname as name, format_type(atttypid, atttypmod) as type, attnotnull as not_null,
       attidentity::text as identity, pg_get_expr(adbin, adrelid) as default,
       case when attcollation != typcollation then collname end as collation
     from pg_attribute
     join pg_type on pg_type.oid = atttypid
     left join pg_attrdef on adrelid = attrelid and adnum = attnum
     left join pg_collation on pg_collation.oid = attcollation
     where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum`,
    [`public.${table}`],
  );
  return rows;
}

async function tableDefinition(client: pg.Client, table: string): Promise<string> {
  const columns = (await columnsOf(client, table)).map((column) => {
    const { name, type, collation, identity } = column;
    if (column.default?.startsWith("nextval(")) throw new Error(`${table}.${name} has a sequence: dump it as well`);
    return [
      `  "${name}" ${type}`,
      ...(collation === null ? [] : [`collate "${collation}"`]),
      ...(column.not_null ? ["not null"] : []),
      ...(identity === "" ? [] : [`generated ${identity === "a" ? "always" : "by default"} as identity`]),
      ...(column.default === null ? [] : [`default ${column.default}`]),
    ].join(" ");
  });
  return `create table "${table}" (\n${columns.join(",\n")})`;
}

async function rowsOf(client: pg.Client, table: string): Promise<readonly string[]> {
  const columns = await columnsOf(client, table);
  const values = columns.map(({ name }) => `quote_nullable("${name}"::text)`).join(` || ', ' || `);
  const { rows } = await client.query<{ text: string }>(`select ${values} as text from "${table}" order by 1`);
  const names = columns.map(({ name }) => `"${name}"`).join(", ");
  const lines = rows.map(({ text }) => `insert into "${table}" (${names}) overriding system value values (${text})`);
  const identity = columns.find((column) => column.identity !== "");
  if (!identity) return lines;
  const sequence = `pg_get_serial_sequence('"${table}"', '${identity.name}')`;
  return [...lines, `select setval(${sequence}, coalesce(max("${identity.name}"), 0) + 1) from "${table}"`];
}

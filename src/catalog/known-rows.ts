interface Entry<Row> {
  readonly mark: string;
  readonly rows: readonly Row[];
}

const none: readonly never[] = [];

/** Rows of one table by the service that they are of, read again when the mark of a service's rows is another one. */
export class KnownRows<Row> {
  readonly #load: (serviceIds: readonly string[]) => Promise<readonly Row[]>;
  readonly #serviceIdOf: (row: Row) => string | null;
  readonly #entries = new Map<string, Entry<Row>>();

  constructor(
    load: (serviceIds: readonly string[]) => Promise<readonly Row[]>,
    serviceIdOf: (row: Row) => string | null,
  ) {
    this.#load = load;
    this.#serviceIdOf = serviceIdOf;
  }

  /**
   * @param marks by service, of those that have rows; rows that are newer than their mark do no harm: they are read once more
   * @returns gives the rows of each of these services
   */
  async of(marks: ReadonlyMap<string, string>): Promise<(serviceId: string) => readonly Row[]> {
    const found = new Map<string, readonly Row[]>();
    const changed: string[] = [];
    for (const [id, mark] of marks) {
      const known = this.#entries.get(id);
      if (known?.mark === mark) found.set(id, known.rows);
      else changed.push(id);
    }
    if (changed.length > 0) {
      const loaded = Map.groupBy(await this.#load(changed), this.#serviceIdOf);
      for (const id of changed) {
        const rows = loaded.get(id) ?? none;
        found.set(id, rows);
        this.#entries.set(id, { mark: marks.get(id) ?? "", rows });
      }
    }
    return (id) => found.get(id) ?? none;
  }

  forget(serviceId: string): void {
    this.#entries.delete(serviceId);
  }
}

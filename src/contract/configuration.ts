/**
 * What btar is told by its configuration file and environment, checked and with defaults filled in.
 * `src/main` reads it; everyone else is handed it.
 */
export interface BtarConfiguration {
  /** Where the API listens. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Files of the API's certificate and its key, absolute; undefined: it speaks HTTP alone. */
  readonly tls: { readonly certificate: string; readonly key: string } | undefined;
  /** Addresses and networks of proxies that speak TLS for the API, and may say whom they ask for. */
  readonly trustedProxies: readonly string[];
  /** Absolute; everything that btar keeps on this machine is below it. */
  readonly dataDirectory: string;
  /** Project that is made at the first start. */
  readonly project: string;
  readonly clouds: readonly CloudConfiguration[];
  /** System user that database servers run as when btar runs as root; undefined: chosen by btar. */
  readonly runAs: string | undefined;
  readonly services: {
    /** Address that managed servers listen on. */
    readonly listenHost: string;
    /** Name or address that clients are told to connect to. */
    readonly advertisedHost: string;
    readonly ports: { readonly first: number; readonly last: number };
  };
  readonly backups: {
    /** Hours between base backups where a service does not say. */
    readonly intervalHours: number;
    /** Days that backups are kept where neither service nor plan says. */
    readonly retentionDays: number;
    /** Hours that objects stay which no base backup names: one may be about to name them. */
    readonly leftoverHours: number;
    /** zstd level. */
    readonly compressionLevel: number;
  };
  readonly verification: {
    /** Hours between checks that everything is there. */
    readonly intervalHours: number;
    /** Days in which all data is read once. */
    readonly readDataDays: number;
    readonly bytesPerSecond: number;
  };
  readonly log: {
    /** A piece of log is stored at the latest when its first byte is this old. */
    readonly maxAgeSeconds: number;
    /** … or when it is this large. */
    readonly maxPieceBytes: number;
  };
  readonly limits: {
    /** Additional clouds that a service may have. */
    readonly additionalClouds: number;
    /** Log that a server may hold back for btar before a warning event. */
    readonly retainedLogBytes: number;
    /** Hours that copies are kept after a location was disabled. */
    readonly disableGraceHours: number;
    /** Hours that backups are kept after their service was deleted. */
    readonly deleteGraceHours: number;
    /** Lag of a location that raises an event. */
    readonly lagObjectiveSeconds: number;
    /** Hours that must lie between two additions of an additional cloud to a service. */
    readonly regionChangeHours: number;
    /** One at most for each pair of clouds. */
    readonly bandwidth: readonly BandwidthLimitConfiguration[];
  };
  readonly notifications: {
    /** Networks that are not of the internet, and that webhooks may reach. */
    readonly allowedNetworks: readonly string[];
    /** Server for mail; undefined: none is sent. */
    readonly smtp: SmtpConfiguration | undefined;
  };
  readonly audit: {
    /** Days that entries of the audit log are kept. */
    readonly retentionDays: number;
  };
  readonly prices: PricesConfiguration;
  readonly tracing: {
    /** URL that takes traces of jobs (OTLP over HTTP); undefined: there are none. */
    readonly endpoint: string | undefined;
  };
  readonly engines: {
    /** Server programs of PostgreSQL by major version, beside the npm ones. */
    readonly pg: Readonly<Record<string, { readonly basedir: string }>>;
    /** `basedirs`: directories of MySQL that hold `bin/mysqld`, absolute; each says its version by itself. */
    readonly mysql: {
      readonly basedirs: readonly string[];
      /** Who receives clones: btar itself, a MySQL of the agent's host, or that where btar cannot. */
      readonly clone: "auto" | "streaming" | "local";
      /** Where such a MySQL puts clones, absolute; undefined: in the data directory. */
      readonly cloneDirectory: string | undefined;
    };
  };
  /** Directories that `btar restore` may write below; undefined: any that is empty or does not exist yet. */
  readonly restoreRoots: readonly string[] | undefined;
}

/** What storage and traffic cost, for estimates; what is undefined has no price. A GB is 10^9 bytes. */
export interface PricesConfiguration {
  readonly currency: string;
  /** Of a GB that is stored for a month, where `stored` does not say. */
  readonly storedGbMonth: number | undefined;
  /** Of a GB that is copied, where `transferred` does not say. */
  readonly transferredGb: number | undefined;
  readonly stored: readonly { readonly cloud: string; readonly gbMonth: number }[];
  readonly transferred: readonly { readonly from: string; readonly to: string; readonly gb: number }[];
}

export interface SmtpConfiguration {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte; otherwise STARTTLS, which is required beyond this machine. */
  readonly isTls: boolean;
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** Address that mail comes from. */
  readonly from: string;
}

/** How fast all of an agent cloud's copies from another cloud may go together. */
export interface BandwidthLimitConfiguration {
  readonly from: string;
  readonly to: string;
  readonly bytesPerSecond: number;
}

export interface CloudConfiguration {
  readonly name: string;
  /** URL of its object store: `file:/absolute/path` or `s3://…`. */
  readonly storeUrl: string;
  readonly storeCredentials:
    | { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }
    | undefined;
  readonly description: string | undefined;
  readonly geo: { readonly latitude: number; readonly longitude: number; readonly region: string } | undefined;
}

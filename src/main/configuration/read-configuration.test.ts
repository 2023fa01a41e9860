import assert from "node:assert/strict";
import { test } from "node:test";
import { isBtarError } from "../../domain/errors.ts";
import { configurationHelp, configurationOptions } from "./options.ts";
import { type ReadConfiguration, readConfiguration } from "./read-configuration.ts";

function read(text: string, options: { readonly allowsInsecureListen?: boolean } = {}): ReadConfiguration {
  return readConfiguration(text, {
    file: "btar.yaml",
    baseDirectory: "/srv/btar",
    defaultDataDirectory: "./btar-data",
    allowsInsecureListen: false,
    ...options,
  });
}

/** @returns message and hint of the refusal */
function refusal(text: string): string {
  try {
    read(text);
  } catch (error) {
    assert.ok(isBtarError(error, "INVALID_CONFIGURATION"), String(error));
    assert.ok(error.hint, "there is a next step");
    return `${error.message} (${error.hint})`;
  }
  throw new assert.AssertionError({ message: `accepted:\n${text}` });
}

test("an empty file gives the defaults, with two clouds on this machine", () => {
  const { configuration, isDataDirectoryGiven } = read("");
  assert.deepEqual(configuration, {
    listen: { host: "127.0.0.1", port: 8080 },
    tls: undefined,
    trustedProxies: [],
    dataDirectory: "/srv/btar/btar-data",
    project: "demo",
    clouds: ["local-north", "local-south"].map((name) => ({
      name,
      storeUrl: `file:/srv/btar/btar-data/clouds/${name}/store`,
      storeCredentials: undefined,
      description: `This machine, ${name.slice(6)}`,
      geo: undefined,
    })),
    runAs: undefined,
    services: { listenHost: "127.0.0.1", advertisedHost: "127.0.0.1", ports: { first: 20000, last: 20999 } },
    backups: { intervalHours: 24, retentionDays: 2, leftoverHours: 1, compressionLevel: 3 },
    verification: { intervalHours: 24, readDataDays: 30, bytesPerSecond: 32 * 2 ** 20 },
    log: { maxAgeSeconds: 5, maxPieceBytes: 8 * 2 ** 20 },
    limits: {
      additionalClouds: 3,
      retainedLogBytes: 10 * 2 ** 30,
      disableGraceHours: 24,
      deleteGraceHours: 72,
      lagObjectiveSeconds: 900,
      regionChangeHours: 0,
      bandwidth: [],
    },
    notifications: { allowedNetworks: [], smtp: undefined },
    audit: { retentionDays: 400 },
    prices: { currency: "USD", storedGbMonth: undefined, transferredGb: undefined, stored: [], transferred: [] },
    tracing: { endpoint: undefined },
    engines: { pg: {}, mysql: { basedirs: [], clone: "auto", cloneDirectory: undefined } },
    restoreRoots: undefined,
  });
  assert.equal(isDataDirectoryGiven, false);
});

test("every option can be given", () => {
  const { configuration, isDataDirectoryGiven, storePlaces } = read(`
listen: "[::1]:9000"
tls: { certificate: tls/chain.pem, key: /etc/btar/key.pem }
trusted_proxies: [10.0.0.5, "fd00::/8"]
data_dir: data
project: shop
run_as: postgres
clouds:
  aws-eu-west-1:
    store: s3://bucket-1/prefix?region=eu-west-1
    description: Ireland
    geo: { latitude: 53.3, longitude: -6.2 }
    credentials: { access_key_id: AKIA1, secret_access_key: secret, session_token: token }
  aws-eu-central-1: { store: "file:stores/central", geo: { latitude: 50, longitude: 8, region: europe } }
services: { listen: 0.0.0.0, advertised_host: db.example.com, ports: 30000-30099 }
backups: { interval_hours: 6, retention_days: 14, compression_level: 1 }
log: { max_age_seconds: 0.5, max_piece: 4 MiB }
limits:
  additional_clouds: 1
  retained_log: 1GiB
  disable_grace_hours: 0
  delete_grace_hours: 1.5
  lag_objective_seconds: 60
  region_change_hours: 12
  bandwidth:
    aws-eu-west-1->aws-eu-central-1: 10MiB
    "aws-eu-central-1 -> aws-eu-west-1": 65536
prices:
  currency: EUR
  stored_gb_month: 0.02
  transferred_gb: 0.01
  stored: { aws-eu-central-1: 0.025 }
  transferred: { "aws-eu-west-1->aws-eu-central-1": 0.05 }
tracing: { endpoint: "http://collector.example:4318" }
engines: { pg: { 17: { basedir: /usr/lib/postgresql/17 } }, mysql: { basedir: [/opt/mysql-8.4, mysql-9.7], clone: local, clone_directory: clones } }
restore_roots: [/srv/pg, restored]
`);
  assert.deepEqual(configuration.listen, { host: "::1", port: 9000 });
  assert.deepEqual(configuration.tls, { certificate: "/srv/btar/tls/chain.pem", key: "/etc/btar/key.pem" });
  assert.deepEqual(configuration.trustedProxies, ["10.0.0.5", "fd00::/8"]);
  assert.equal(configuration.dataDirectory, "/srv/btar/data");
  assert.equal(isDataDirectoryGiven, true);
  assert.deepEqual(configuration.clouds, [
    {
      name: "aws-eu-west-1",
      storeUrl: "s3://bucket-1/prefix?region=eu-west-1",
      storeCredentials: { accessKeyId: "AKIA1", secretAccessKey: "secret", sessionToken: "token" },
      description: "Ireland",
      geo: { latitude: 53.3, longitude: -6.2, region: "europe" },
    },
    {
      name: "aws-eu-central-1",
      storeUrl: "file:/srv/btar/stores/central",
      storeCredentials: undefined,
      description: undefined,
      geo: { latitude: 50, longitude: 8, region: "europe" },
    },
  ]);
  assert.deepEqual(Object.fromEntries(storePlaces), {
    "aws-eu-west-1": "btar.yaml:10:12",
    "aws-eu-central-1": "btar.yaml:14:30",
  });
  assert.equal(configuration.runAs, "postgres");
  assert.equal(configuration.services.advertisedHost, "db.example.com");
  assert.deepEqual(configuration.log, { maxAgeSeconds: 0.5, maxPieceBytes: 4 * 2 ** 20 });
  assert.equal(configuration.limits.deleteGraceHours, 1.5);
  assert.equal(configuration.limits.regionChangeHours, 12);
  assert.deepEqual(configuration.limits.bandwidth, [
    { from: "aws-eu-west-1", to: "aws-eu-central-1", bytesPerSecond: 10 * 2 ** 20 },
    { from: "aws-eu-central-1", to: "aws-eu-west-1", bytesPerSecond: 65_536 },
  ]);
  assert.deepEqual(configuration.prices, {
    ...{ currency: "EUR", storedGbMonth: 0.02, transferredGb: 0.01 },
    stored: [{ cloud: "aws-eu-central-1", gbMonth: 0.025 }],
    transferred: [{ from: "aws-eu-west-1", to: "aws-eu-central-1", gb: 0.05 }],
  });
  assert.deepEqual(configuration.tracing, { endpoint: "http://collector.example:4318/v1/traces" });
  assert.deepEqual(configuration.engines.pg, { "17": { basedir: "/usr/lib/postgresql/17" } });
  assert.deepEqual(configuration.engines.mysql, {
    basedirs: ["/opt/mysql-8.4", "/srv/btar/mysql-9.7"],
    clone: "local",
    cloneDirectory: "/srv/btar/clones",
  });
  assert.deepEqual(configuration.restoreRoots, ["/srv/pg", "/srv/btar/restored"]);
});

test("one directory of MySQL needs no list", () => {
  const { configuration } = read("engines: { mysql: { basedir: /usr } }");
  assert.deepEqual(configuration.engines.mysql.basedirs, ["/usr"]);
});

const refusals: readonly (readonly [title: string, text: string, expected: RegExp])[] = [
  ["an unknown key", "data_dri: x", /^btar\.yaml:1:1: unknown key data_dri \(did you mean data_dir\?\)/],
  ["an unknown key deep down", "limits:\n  lag: 5", /^btar\.yaml:2:3: unknown key limits\.lag \(known keys: addit/],
  ["a key there twice", "listen: 1.2.3.4:5\nproject: a\nlisten: 8080", /^btar\.yaml:3:1: this key is there twice/],
  ["no YAML", "clouds: [", /^btar\.yaml:1:\d+: .*\(mend the YAML there\)/],
  ["a list for the whole file", "- a", /^btar\.yaml:1:1: the file is no mapping/],
  ["a text for a mapping", "limits: many", /^btar\.yaml:1:9: limits is no mapping/],
  [
    "a word for a number",
    "backups:\n  interval_hours: daily",
    /^btar\.yaml:2:19: backups\.interval_hours is "daily" .*whole number from 1 to 168/,
  ],
  ["a number too large", "backups: { compression_level: 22 }", /is 22 .*from 1 to 19/],
  ["a fraction where none can be", "limits: { additional_clouds: 1.5 }", /is 1\.5 .*whole number/],
  [
    "a size without meaning",
    "log: { max_piece: 16MB }",
    /^btar\.yaml:1:19: log\.max_piece is "16MB" .*from 64KiB to 64MiB, such as 8MiB/,
  ],
  ["a size too large", "log: { max_piece: 1GiB }", /log\.max_piece is "1GiB"/],
  [
    "a bandwidth without meaning",
    "limits: { bandwidth: { local-north->local-south: fast } }",
    /^btar\.yaml:1:50: limits\.bandwidth\.local-north->local-south is "fast" .*from 1KiB to 1TiB, such as 10MiB/,
  ],
  [
    "a bandwidth of no pair",
    "limits: { bandwidth: { local-north: 10MiB } }",
    /has "local-north" .*give FROM->TO: SIZE/,
  ],
  [
    "a bandwidth of an unknown cloud",
    "limits: { bandwidth: { local-north->local-west: 10MiB } }",
    /has "local-north->local-west": there is no cloud local-west .*there are: local-north, local-south/,
  ],
  [
    "a bandwidth from a cloud to itself",
    "limits: { bandwidth: { local-north->local-north: 10MiB } }",
    /nothing is copied from a cloud to itself/,
  ],
  [
    "a price of a cloud that there is not",
    "prices: { stored: { local-west: 1 } }",
    /prices\.stored has "local-west": there is no cloud local-west .*there are: local-north, local-south/,
  ],
  [
    "a price of no pair",
    "prices: { transferred: { local-north: 1 } }",
    /prices\.transferred has "local-north" \(give FROM->TO: NUMBER/,
  ],
  ["a price below nothing", "prices: { stored_gb_month: -1 }", /prices\.stored_gb_month is -1 .*from 0 to/],
  ["an address of traces that is no URL", "tracing: { endpoint: here }", /tracing\.endpoint is "here" .*give a URL/],
  ["a size of zero", "limits: { retained_log: 0 }", /limits\.retained_log is "0"/],
  ["an address without port", "listen: localhost", /^btar\.yaml:1:9: listen is "localhost" .*HOST:PORT/],
  ["a port beyond 65535", "listen: 127.0.0.1:70000", /listen is "127\.0\.0\.1:70000"/],
  [
    "listening for everybody",
    "listen: 0.0.0.0:8080",
    /beyond this machine, where tokens would travel unencrypted .*tls\.certificate.*trusted_proxies.*--insecure-listen/,
  ],
  ["a certificate without its key", "tls: { certificate: a.pem }", /tls has no key .*tls\.key/],
  [
    "a proxy that is no address",
    "trusted_proxies: proxy.example",
    /trusted_proxies names "proxy\.example" .*10\.0\.0\.0\/24/,
  ],
  ["a name that only looks like this machine", "listen: 127.evil.example:80", /beyond this machine/],
  ["a project with capitals", "project: Shop", /^btar\.yaml:1:10: project is "Shop"/],
  ["ports in disorder", "services: { ports: 300-200 }", /services\.ports is "300-200"/],
  [
    "a cloud without provider",
    "clouds:\n  north: { store: file:/a }",
    /^btar\.yaml:2:10: "north" cannot name a cloud .*PROVIDER-REGION/,
  ],
  ["a cloud without store", "clouds:\n  a-b: { description: x }", /^btar\.yaml:2:8: clouds\.a-b has no store/],
  [
    "a cloud there twice",
    "clouds:\n  a-b: { store: file:/a }\n  a-b: { store: file:/b }",
    /^btar\.yaml:3:3: this key is there twice/,
  ],
  ["no clouds", "clouds: {}", /^btar\.yaml:1:9: clouds names none/],
  [
    "a store of an unknown kind",
    "clouds: { a-b: { store: gs://x } }",
    /^btar\.yaml:1:25: "gs:\/\/x" is no URL of an object store/,
  ],
  ["an S3 store without region", "clouds: { a-b: { store: s3://bucket/x } }", /does not say its region/],
  [
    "one store for two clouds",
    'clouds:\n  a-b: { store: "file:/a" }\n  a-c: { store: "file:///a/" }',
    /^btar\.yaml:3:17: clouds\.a-c and clouds\.a-b have the same store, file:\/a /,
  ],
  [
    "half of the credentials",
    "clouds: { a-b: { store: s3://bucket/x?region=r, credentials: { access_key_id: K } } }",
    /clouds\.a-b\.credentials are not complete/,
  ],
  [
    "half of a position",
    "clouds: { a-b: { store: file:/a, geo: { latitude: 5 } } }",
    /clouds\.a-b\.geo is not complete/,
  ],
  [
    "a latitude beyond the pole",
    "clouds: { a-b: { store: file:/a, geo: { latitude: 95, longitude: 0 } } }",
    /geo\.latitude is 95 .*from -90 to 90/,
  ],
  [
    "a version of PostgreSQL that there is none of",
    "engines: { pg: { 9: { basedir: /x } } }",
    /engines\.pg\.9 is no version that btar knows/,
  ],
  ["server programs without a place", "engines: { pg: { 17: {} } }", /engines\.pg\.17 has no basedir/],
  [
    "a directory of MySQL under a version, as PostgreSQL's are",
    "engines: { mysql: { 9.7: { basedir: /opt/mysql } } }",
    /unknown key engines\.mysql\.9\.7 \(known keys: basedir, clone, clone_directory\)/,
  ],
  [
    "a directory of MySQL that is none",
    "engines: { mysql: { basedir: 5 } }",
    /^btar\.yaml:1:30: engines\.mysql\.basedir is 5, not a text or a list of texts \(give PATH or/,
  ],
  [
    "a way of receiving MySQL's clones that there is not",
    "engines: { mysql: { clone: remote } }",
    /^btar\.yaml:1:28: engines\.mysql\.clone is "remote" \(give auto, streaming/,
  ],
  ["one path for a list", "restore_roots: /srv", /^btar\.yaml:1:16: restore_roots is "\/srv", not a list of texts/],
];

for (const [title, text, expected] of refusals) {
  test(`X1: ${title} is refused with its place and what would do`, () => assert.match(refusal(text), expected));
}

test("a refusal tells nothing of a secret", () => {
  const text =
    "clouds: { a-b: { store: 's3://KEY:HUSH@bucket/x', credentials: { secret_access_key: HUSH, access_key_id: [] } } }";
  assert.doesNotMatch(refusal(text), /HUSH/);
  assert.doesNotMatch(refusal("clouds: { a-b: { store: file:/a, credentials: { secret_access_key: HUSH } } }"), /HUSH/);
});

test("listening for everybody is taken from whoever insists", () => {
  const { configuration } = read("listen: 0.0.0.0:8080", { allowsInsecureListen: true });
  assert.deepEqual(configuration.listen, { host: "0.0.0.0", port: 8080 });
});

test("what help says of a default is the default", () => {
  for (const [key, option] of Object.entries(configurationOptions)) {
    if (!("default" in option) || key.includes("NAME")) continue;
    const given = key.split(".").reduceRight((inner, word) => `{ ${word}: ${inner} }`, option.default);
    assert.deepEqual(read(given).configuration, read("").configuration, key);
  }
});

test("help names every option", () => {
  const lines = configurationHelp().split("\n");
  for (const key of Object.keys(configurationOptions)) {
    assert.ok(
      lines.some((line) => line.startsWith(`  ${key} `)),
      key,
    );
  }
});

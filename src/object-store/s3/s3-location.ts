/** Where an S3 store is. */
export interface S3Location {
  readonly bucket: string;
  /** What the store's objects have before their keys: empty, or segments without a slash at the end. */
  readonly prefix: string;
  /** Origin of a service other than AWS, such as `https://s3.example.com:9000`. */
  readonly endpoint?: string | undefined;
  readonly region: string;
}

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

/** The location as the URL that people give: `s3://bucket/prefix?endpoint=…&region=…`. */
export function s3Url({ bucket, prefix, endpoint, region }: S3Location): string {
  const query: string[] = [];
  if (endpoint !== undefined) query.push(`endpoint=${endpoint}`);
  query.push(`region=${region}`);
  if (endpoint !== undefined && isInsecure(endpoint)) query.push("insecure=true");
  return `s3://${bucket}${prefix && `/${prefix}`}?${query.join("&")}`;
}

/** Whether others could read and change what goes to an endpoint: it has no TLS and is not on this machine. */
export function isInsecure(endpoint: string): boolean {
  const { protocol, hostname } = new URL(endpoint);
  return (
    protocol === "http:" && hostname !== "localhost" && hostname !== "[::1]" && !/^127(?:\.\d+){3}$/.test(hostname)
  );
}
